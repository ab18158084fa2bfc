"""The 95 % interval of a reported mean, from values of single examples or from the values of seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from gill_bench.statistics.bootstrap import paired_interval, spread
from gill_bench.statistics.seed_variance import seed_margin

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.95
# Half as many as a comparison draws, because a table has many cells; each end is exact to 4 % of the half width.
_RESAMPLES = 5_000


@dataclass(frozen=True, slots=True)
class MeanInterval:
    """An interval of a mean.

    Attributes:
        low: Lower end, in the mean's unit.
        high: Upper end.
        over: The source of the interval's width: `clusters` of examples (another draw of the data would give other
            values), or `seeds` (other noise on the same data would).
        n: Number of clusters, or of seeds.
    """

    low: float
    high: float
    over: Literal["clusters", "seeds"]
    n: int


def interval_over_clusters(values: NDArray[np.float64], clusters: Sequence[str]) -> MeanInterval | None:
    """Interval of the mean by cluster bootstrap, widened for the choice of seeds; None for a single cluster.

    The method is that of `gill_bench.statistics.bootstrap.paired_interval`, with the margin for seeds of
    `gill_bench.statistics.seed_variance.seed_margin`.

    Args:
        values: (N, S), the value of each example with each seed.
        clusters: The cluster of each example.
    """
    if len(set(clusters)) < 2:
        return None
    margin = seed_margin(values, clusters, LEVEL)
    interval = paired_interval(
        values.mean(axis=1).tolist(), clusters, level=LEVEL, resamples=_RESAMPLES, seed_margin=margin
    )
    return MeanInterval(interval.low, interval.high, "clusters", interval.clusters)


def interval_over_seeds(values: Sequence[float]) -> MeanInterval | None:
    """Interval of the mean by Student's t over seeds; None for one seed, or if all seeds give the same value.

    >>> interval = interval_over_seeds([1.0, 2.0, 3.0])
    >>> round(interval.low, 6), round(interval.high, 6), interval.over, interval.n
    (-0.484138, 4.484138, 'seeds', 3)
    """
    from scipy.special import stdtrit

    over = spread(values)
    if not over.std:
        return None
    half = float(stdtrit(over.n - 1, (1 + LEVEL) / 2)) * over.std / math.sqrt(over.n)
    return MeanInterval(over.mean - half, over.mean + half, "seeds", over.n)
