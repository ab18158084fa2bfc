"""An adapter's knowledge of a model before its weights are loaded: settings nobody set, and prompts it can take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from gill_bench.cards.find import Value

NEEDS_PICTURE = "needs:picture"
"""The fact, as rows show it, that a model cannot be asked without a picture."""
PromptKind = Literal["text", "image"]
"""The kind of a context's prompts: "image" for prompts with pictures, "text" for prompts of text alone."""


def prompt_kind(inputs: Collection[str]) -> PromptKind:
    """The kind of prompts that hold these kinds of segments."""
    return "image" if "image" in inputs else "text"


@dataclass(frozen=True)
class Described:
    """The answer of an adapter's `describe`.

    Attributes:
        settings: The card's settings, completed with the values that the model takes for those that nobody set. The
            model is loaded with these, and rows show them.
        facts: Names and values that rows show besides the settings, such as the limit of each text encoder.
        cannot: By kind of prompt, the reason why the model cannot be asked with such prompts.
        notes: By kind of prompt, a sentence that every table with such a row must say.
    """

    settings: Mapping[str, Value]
    facts: Mapping[str, str] = field(default_factory=dict)
    cannot: Mapping[PromptKind, str] = field(default_factory=dict)
    notes: Mapping[PromptKind, str] = field(default_factory=dict)
