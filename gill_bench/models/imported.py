"""Outputs that were made elsewhere and imported (`gill_bench.exchange`): there is no model that could make others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.errors import GillBenchError

NAME = "imported"
"""The name of the adapter, by which signatures tell imported outputs from those that the harness had made."""


class Settings(BaseModel):
    """The settings, which are all that is known of how the outputs were made.

    Attributes:
        content: The digest of the imported outputs, 16 hexadecimal digits; "" before they are read.
        decoding: Nobody knows the weights, the sampling and the noise that the outputs were made with.
    """

    model_config = ConfigDict(extra="forbid")
    content: str = ""
    decoding: Literal["unknown"] = "unknown"


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Accept everything: there are no weights."""


def notes(settings: Settings) -> list[str]:
    """The sentence that every table with imported outputs must say."""
    return ["its outputs were made elsewhere and imported; how they were made is unknown."]


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> object:
    """Refuse to load.

    Raises:
        GillBenchError: Always.
    """
    raise GillBenchError(
        "imported outputs have no model that could make others; import a folder that has them all: gill-bench import"
    )
