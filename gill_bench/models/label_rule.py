"""What is known without any model: the labels' own baselines of the decision between retrieving and generating.

Such a "model" is asked nothing. Its card only names a rule, and the task's metric computes it from the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.errors import GillBenchError


class Settings(BaseModel):
    """Of the card.

    Attributes:
        rule: "random" draws with the prior of the train part; "human" is the annotators against the label they made.
    """

    model_config = ConfigDict(extra="forbid")
    rule: Literal["always-retrieve", "always-generate", "random", "human"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Nothing can be wrong."""


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> object:
    """Never needed: there is nothing to ask.

    Raises:
        GillBenchError: Always.
    """
    raise GillBenchError(f"{settings.rule} is a rule over labels: there is no model to load")
