"""The 95 % interval of a reported mean, from whatever there is of it: values of single examples, or of seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gill_bench.statistics import paired_interval, spread

LEVEL = 0.95
# Half of what a comparison draws: each end is within 4 % of the half width, and a table has many cells.
_RESAMPLES = 5_000


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """An interval of a mean.

    Attributes:
        low: Lower end, in the mean's unit.
        high: Upper end.
        over: What was resampled: `clusters` of examples (what another draw of the data could give), or `seeds` (what
            other noise could give on the same data).
        n: How many of them.
    """

    low: float
    high: float
    over: Literal["clusters", "seeds"]
    n: int


def interval_over_clusters(values: Mapping[str, float], clusters: Mapping[str, str]) -> MeanInterval | None:
    """Cluster bootstrap of the mean (`gill_bench.statistics.paired_interval`); None of fewer than two clusters.

    Args:
        values: By example, each a mean over seeds.
        clusters: By example; one that is absent is a cluster of its own.
    """
    groups = [clusters.get(name, name) for name in values]
    if len(set(groups)) < 2:
        return None
    found = paired_interval(list(values.values()), groups, level=LEVEL, resamples=_RESAMPLES)
    return MeanInterval(found.low, found.high, "clusters", found.clusters)


def interval_over_seeds(values: Sequence[float]) -> MeanInterval | None:
    """Student's t over seeds; None of one seed, or of seeds that all give the same, as they tell nothing of spread.

    >>> interval_over_seeds([1.0, 2.0, 3.0])
    MeanInterval(low=-0.4841377117534427, high=4.484137711753442, over='seeds', n=3)
    """
    from scipy.special import stdtrit

    over = spread(values)
    if not over.std:
        return None
    half = float(stdtrit(over.n - 1, (1 + LEVEL) / 2)) * over.std / math.sqrt(over.n)
    return MeanInterval(over.mean - half, over.mean + half, "seeds", over.n)
