"""One number of a cell, before it becomes a row with all its counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Number:
    """What a metric says of a cell with one seed.

    Attributes:
        metric: Its name in rows, with a stand-in's brackets.
        value: None if nothing could be scored.
        higher_is_better: Which way it points.
        scored: Examples in the value.
        where: It ranges over the examples with this fact, (name, value); None = over all.
        truncated: Scored examples whose prompt the model had to cut.
        flagged: Scored examples whose picture the safety checker blackened.
        each: Values of single examples, where the metric has such.
        left_out: Examples that the metric's rule leaves out: they count neither as scored nor as failed.
        signature: As in `gill_bench.metrics.Score`.
    """

    metric: str
    seed: int
    value: float | None
    higher_is_better: bool
    scored: int
    where: tuple[str, str] | None = None
    truncated: int = 0
    flagged: int = 0
    each: Mapping[str, float] | None = None
    left_out: int = 0
    signature: Mapping[str, str] = field(default_factory=dict)
