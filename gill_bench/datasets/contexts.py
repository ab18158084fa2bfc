"""Contexts of data sets in which there is nothing to vary: a few names, and the prompt that is one text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from gill_bench.cards.find import Value
from gill_bench.datasets import Context, Example, Picture
from gill_bench.errors import InputError, did_you_mean
from gill_bench.interfaces import OutputKind

_Context = TypeVar("_Context", bound=Context)


@dataclass(frozen=True, slots=True)
class TextContext:
    """The text of an example's first turn, and nothing else."""

    name: str
    asks: OutputKind | None = None
    inputs: frozenset[str] = frozenset({"text"})

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt, one string."""
        return (example.turns[0].text,)


def context_named(name: str, contexts: Iterable[_Context]) -> _Context:
    """The context of a name.

    Raises:
        InputError: There is none of this name; offers the nearest.
    """
    known = {context.name: context for context in contexts}
    if name not in known:
        raise InputError(f"unknown context {name!r}; {did_you_mean(name, known)}")
    return known[name]
