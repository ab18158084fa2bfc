"""The metric of speed: medians and spread of measured seconds (paper App. E.4; protocol 3.12)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value, validated
from gill_bench.metrics import Question, Reference, Score

kind = "corpus"


class Settings(BaseModel):
    """The metric has no settings: the card's `[prompt]` table has all that changes what is measured."""

    model_config = ConfigDict(extra="forbid")


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The statistics that are taken of the measurements, in one text."""
    return "timing|median|spread:interquartile range"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check that there are no settings."""
    validated(Settings, settings, "timing")


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """Median and interquartile range of the seconds of a call, and of tokens per second if tokens were counted.

    `outputs` has the measurements by id: `seconds`, and `tokens` if tokens were counted.
    """
    seconds = {name: float(measured["seconds"]) for name, measured in outputs.items()}
    counted = {name: measured for name, measured in outputs.items() if "tokens" in measured}
    rates = {name: measured["tokens"] / measured["seconds"] for name, measured in counted.items()}
    summary = [
        Score("seconds", _median(list(seconds.values())), False, len(seconds), each=seconds),
        Score("seconds-spread", _spread(list(seconds.values())), False, len(seconds)),
    ]
    if rates:
        summary += [
            Score("tokens-per-second", _median(list(rates.values())), True, len(rates), each=rates),
            Score("tokens-per-second-spread", _spread(list(rates.values())), False, len(rates)),
        ]
    return summary


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _spread(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low
