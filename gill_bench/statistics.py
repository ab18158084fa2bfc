"""Statistics over seeds: exact, so that the order in which results arrive can never change a printed number."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


@dataclass(frozen=True, slots=True)
class ClusteredSums:
    """Values by cluster, reduced to what resampling whole clusters needs.

    Attributes:
        sums: (G,) sum of the values of each cluster.
        sizes: (G,) how many values each has.
    """

    sums: NDArray[np.float64]
    sizes: NDArray[np.int64]

    @classmethod
    def of(cls, values: Sequence[float], clusters: Sequence[str]) -> ClusteredSums:
        """Reduce values.

        Raises:
            ValueError: There is none, one is not finite, or lengths differ.
        """
        import numpy as np

        array = np.asarray(values, dtype=np.float64)
        if len(array) != len(clusters) or not len(array):
            raise ValueError(f"{len(array)} differences, but {len(clusters)} clusters; expected as many, at least one")
        if not np.isfinite(array).all():
            raise ValueError("a difference is not finite")
        _, places = np.unique(np.asarray(clusters, dtype=object).astype(str), return_inverse=True)
        return cls(np.bincount(places, weights=array).astype(np.float64), np.bincount(places))

    @property
    def mean(self) -> float:
        """Mean over all values."""
        return math.fsum(self.sums) / int(self.sizes.sum())

    def resampled_means(self, resamples: int, seed: int) -> NDArray[np.float64]:
        """Means (resamples,) over as many clusters as there are, drawn with replacement."""
        import numpy as np

        generator = np.random.default_rng(seed)
        means = np.empty(resamples)
        step = max(1, 1_000_000 // len(self.sums))  # bounded memory, whatever the number of clusters
        for start in range(0, resamples, step):
            count = min(step, resamples - start)
            drawn = generator.integers(0, len(self.sums), size=(count, len(self.sums)))
            means[start : start + count] = self.sums[drawn].sum(axis=1) / self.sizes[drawn].sum(axis=1)
        return means


def paired_interval(
    differences: Sequence[float],
    clusters: Sequence[str],
    *,
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> Interval:
    """Interval of a mean paired difference, by resampling whole clusters (cluster bootstrap).

    The percentile interval, expanded as Hesterberg (2015) recommends for means: percentiles of few clusters are too
    narrow, as they know neither the divisor n - 1 nor Student's t. With a thousand clusters it is the plain one.

    Args:
        differences: One per pair, such as a story's value of one model minus that of another, each a mean over seeds.
        clusters: The cluster of each pair, such as the photo sequence that several stories share.
        level: Share of intervals that hold the true value.
        resamples: How many.
        seed: Of the resampling: the same values give the same interval.

    Raises:
        ValueError: Fewer than two clusters, numbers that are not finite, or lengths that differ.
    """
    import numpy as np
    from scipy.special import ndtr, stdtrit

    data = ClusteredSums.of(differences, clusters)
    count = len(data.sums)
    if count < 2:
        raise ValueError(f"an interval needs at least two clusters, not {count}")
    outside = float(ndtr(math.sqrt(count / (count - 1)) * stdtrit(count - 1, (1 - level) / 2)))
    low, high = np.quantile(data.resampled_means(resamples, seed), [outside, 1 - outside])
    return Interval(math.fsum(differences) / len(differences), float(low), float(high), len(differences), count)
