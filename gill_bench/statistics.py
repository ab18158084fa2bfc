"""Statistics over seeds: exact, so that the order in which results arrive can never change a printed number."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation of one number over seeds.

    Attributes:
        mean: The arithmetic mean.
        std: The sample standard deviation (divisor n - 1); None for a single value, which has no spread.
        n: How many values.
    """

    mean: float
    std: float | None
    n: int


def spread(values: Iterable[float]) -> Spread:
    """Mean and sample standard deviation, independent of the order of the values.

    Sums are exact (`math.fsum` and rational arithmetic of the standard library), unlike numpy's, which depend on order.

    Args:
        values: At least one finite number.

    Raises:
        ValueError: There is no value, or one is not finite.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, std=1.0, n=3)
    >>> spread([0.5])
    Spread(mean=0.5, std=None, n=1)
    """
    numbers = [float(value) for value in values]
    if not numbers:
        raise ValueError("spread of no values")
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"spread of values that are not finite: {numbers}")
    std = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Spread(statistics.fmean(numbers), std, len(numbers))


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean paired difference and its bootstrap interval.

    Attributes:
        mean: Mean over pairs.
        low: Lower end.
        high: Upper end.
        n: Pairs.
        clusters: Groups of pairs that are not independent of each other, and are resampled together.
    """

    mean: float
    low: float
    high: float
    n: int
    clusters: int

    @property
    def above_zero(self) -> bool:
        """Whether the whole interval is above zero."""
        return self.low > 0


def paired_interval(
    differences: Sequence[float],
    clusters: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a mean paired difference, by resampling whole clusters (cluster bootstrap).

    Args:
        differences: One per pair, such as a story's value of one model minus that of another, each a mean over seeds.
        clusters: The cluster of each pair, such as the photo sequence that several stories share.
        level: Share of resampled means inside the interval.
        resamples: How many.
        seed: Of the resampling: the same values give the same interval.

    Raises:
        ValueError: Fewer than two clusters, numbers that are not finite, or lengths that differ.
    """
    import numpy as np

    values = np.asarray(differences, dtype=np.float64)
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} differences, but {len(clusters)} clusters")
    if not np.isfinite(values).all():
        raise ValueError("a difference is not finite")
    names, places = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"an interval needs at least two clusters, not {len(names)}")
    sums = np.bincount(places, weights=values)
    sizes = np.bincount(places)
    generator = np.random.default_rng(seed)
    means = np.empty(resamples)
    for start in range(0, resamples, 1000):  # bounded memory, whatever the number of clusters
        count = min(1000, resamples - start)
        drawn = generator.integers(0, len(names), size=(count, len(names)))
        means[start : start + count] = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(math.fsum(differences) / len(values), float(low), float(high), len(values), len(names))
