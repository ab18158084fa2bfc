"""How long things took: medians and spread of measured seconds (paper App. E.4; protocol 3.12)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.settings import check_settings

kind = "corpus"


class Settings(BaseModel):
    """None: everything is in the prompt's table, since it changes what is measured."""

    model_config = ConfigDict(extra="forbid")


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """What is taken of the measurements."""
    return "timing|median|spread:interquartile range"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Raise `InputError` for settings that cannot work."""
    check_settings(Settings, settings, "timing")


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """Median seconds of a call and their interquartile range; tokens per second where tokens were counted.

    Args:
        outputs: {"seconds": ..., "tokens": ...} by measurement.
        references: Not used.
        settings: None.
        question: Not used.
    """
    seconds = {name: float(one["seconds"]) for name, one in outputs.items()}
    rates = {name: one["tokens"] / one["seconds"] for name, one in outputs.items() if "tokens" in one}
    found = [
        Score("seconds", _median(list(seconds.values())), False, len(seconds), each=seconds),
        Score("seconds-spread", _spread(list(seconds.values())), False, len(seconds)),
    ]
    if rates:
        found += [
            Score("tokens-per-second", _median(list(rates.values())), True, len(rates), each=rates),
            Score("tokens-per-second-spread", _spread(list(rates.values())), False, len(rates)),
        ]
    return found


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _spread(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low
