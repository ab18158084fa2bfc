"""Inputs with which `tests/metrics/test_harness.py` tests a metric; each metric's test module lists its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gill_bench.cards.find import Value
from gill_bench.metrics import Reference


@dataclass(frozen=True)
class Case:
    """Settings, weights and inputs of one registered metric.

    Attributes:
        settings: Settings of the metric.
        write_weights: Writes the weights to a path in a new folder and returns the path; None without a network.
        backbone: The name of the weights in a card.
        outputs: For a corpus metric, outputs by example id.
        references: For a corpus metric, references by example id.
        asks: For a corpus metric, the output kind that was asked for.
        program: A program without which the metric cannot run, and the case is skipped.
    """

    settings: Mapping[str, Value] = field(default_factory=dict)
    write_weights: Callable[[Path], Path] | None = None
    backbone: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)
    references: Mapping[str, Reference] = field(default_factory=dict)
    asks: str = ""
    program: str = ""
