"""Baselines of the decision between retrieving and generating that need the labels alone, and no model.

Such a "model" generates nothing. Its card only names a rule, and the task's metric computes the rule from the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.errors import GillBenchError


class Settings(BaseModel):
    """The rule that stands in for a model.

    Attributes:
        rule: "always-retrieve" and "always-generate" decide one way; "random" draws with the prior of the train part;
            "human" compares the annotators with the label that they made together.
    """

    model_config = ConfigDict(extra="forbid")
    rule: Literal["always-retrieve", "always-generate", "random", "human"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Accept everything: a rule has no weights."""


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> object:
    """Refuse to load, by a `GillBenchError`: a rule has no model.

    Raises:
        GillBenchError: Always.
    """
    raise GillBenchError(f"{settings.rule} is a rule over labels: there is no model to load")
