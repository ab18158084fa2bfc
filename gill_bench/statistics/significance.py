"""p-values of paired differences: randomisation, bootstrap, t-test, McNemar; effect size; Holm for several tests.

Examples of one cluster (a photo sequence, an image, a dialog) are not independent, so every procedure swaps or draws
whole clusters. Each value is a mean over seeds; how much other seeds would change it is part of the interval
(`gill_bench.statistics.seed_variance`), not of the p-value.

The functions of paired differences are given the difference and the cluster of each pair, and the number and the seed
of resamples where they draw any. They raise `ValueError` if there are too few pairs or clusters, a number is not
finite, or the lengths differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gill_bench.statistics.bootstrap import ClusteredSums

if TYPE_CHECKING:
    from gill_bench.statistics.bootstrap import Clusters, Values

RESAMPLES = 10_000
_AT_ONCE = 1000  # resamples held in memory


def randomisation_p(differences: Values, clusters: Clusters, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """p-value of a mean paired difference by approximate randomisation (two-sided).

    In each resample the two systems are swapped in about half of the clusters. p is the share of resamples whose mean
    difference is at least as large as the observed one, (count + 1) / (resamples + 1), as in sacrebleu's `paired-ar`
    (Riezler and Maxwell 2005). If there are no more possible swaps than resamples, each is tried once, and p is exact.

    Raises:
        ValueError: There is no pair, a number is not finite, or the lengths differ.
    """
    sums = ClusteredSums.of(differences, clusters).grouped().sums
    observed = abs(float(sums.sum()))
    # A sum that differs from the observed one in the last digits alone counts as equal.
    least = observed - 1e-9 * max(float(np.abs(sums).sum()), 1e-300)
    if len(sums) < 60 and 2 ** len(sums) <= resamples:
        signs = 1 - 2 * ((np.arange(2 ** len(sums))[:, None] >> np.arange(len(sums))) & 1)
        return float((np.abs(signs @ sums) >= least).mean())
    generator = np.random.default_rng(seed)
    extreme = 0
    for start in range(0, resamples, _AT_ONCE):
        count = min(_AT_ONCE, resamples - start)
        bits = np.frombuffer(generator.bytes(count * (-(-len(sums) // 8))), dtype=np.uint8).reshape(count, -1)
        swapped = np.unpackbits(bits, axis=1, count=len(sums)).astype(np.float64)
        # The sum after a swap is the whole sum minus twice the sum of the swapped clusters.
        extreme += int((np.abs(sums.sum() - 2 * (swapped @ sums)) >= least).sum())
    return (extreme + 1) / (resamples + 1)


def bootstrap_p(differences: Values, clusters: Clusters, *, resamples: int = RESAMPLES, seed: int = 0) -> float:
    """p-value of a mean paired difference by paired bootstrap, as in sacrebleu's `paired-bs` (Koehn 2004).

    p is the share of resamples whose absolute mean exceeds the average absolute mean of all resamples by at least the
    observed absolute mean, (count + 1) / (resamples + 1). For a clear difference this counts one tail, as Koehn does,
    and p is about half of `randomisation_p`. (sacrebleu asks for more than the observed mean instead of at least as
    much, which gives two equal systems the smallest p; here they have p = 1.)

    Raises:
        ValueError: There is no pair, a number is not finite, or the lengths differ.
    """
    data = ClusteredSums.of(differences, clusters).grouped()
    means = np.abs(data.resampled_means(resamples, seed))
    # A mean that differs from the observed one in the last digits alone counts as equal.
    least = abs(data.mean) - 1e-9 * float(means.max())
    return (int((means - means.mean() >= least).sum()) + 1) / (resamples + 1)


def clustered_t_p(differences: Values, clusters: Clusters) -> float:
    """p-value of a mean paired difference by Student's t over clusters (two-sided).

    Unlike randomisation it can tell a large difference from chance with as few as three clusters, at the price of
    assuming that cluster means are about normal. With every pair its own cluster it is the paired t-test.

    >>> round(clustered_t_p([0.1, 0.3, 0.2, 0.4], ["a", "b", "c", "d"]), 4)
    0.0305

    Raises:
        ValueError: There are fewer than two clusters, a number is not finite, or the lengths differ.
    """
    from scipy.stats import t

    data = ClusteredSums.of(differences, clusters)
    count = len(data.sums)
    if count < 2:
        raise ValueError(f"a test needs at least two clusters, not {count}")
    error = data.standard_error
    if error == 0:
        return 1.0 if data.mean == 0 else 0.0
    return float(2 * t.sf(abs(data.mean) / error, count - 1))


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Exact p-value (two-sided) of two systems' right and wrong answers to the same independent questions.

    Args:
        only_first: Number of questions that only the first system answers rightly.
        only_second: Number of questions that only the second system answers rightly.

    >>> round(mcnemar_p(8, 2), 4)
    0.1094
    """
    from scipy.stats import binomtest

    discordant = only_first + only_second
    return float(binomtest(only_first, discordant, 0.5).pvalue) if discordant else 1.0


def effect_size(differences: Values, clusters: Clusters) -> float | None:
    """Standardised paired effect, Cohen's d_z: the mean of the clusters' mean differences by their standard deviation.

    Cohen (1988), Lakens (2013): 0.2 is called small, 0.5 medium, 0.8 large. With every pair its own cluster it is
    t / sqrt(n) of the paired t-test.

    Returns:
        The effect size; None for fewer than two clusters, and if all clusters have the same mean and it is not zero,
        because the effect size is then infinite.

    >>> effect_size([1.0, 2.0, 3.0], ["a", "b", "c"])
    2.0

    Raises:
        ValueError: There is no pair, a number is not finite, or the lengths differ.
    """
    data = ClusteredSums.of(differences, clusters)
    means = data.sums / data.sizes
    if len(means) < 2:
        return None
    spread = float(means.std(ddof=1))
    # The standard deviation of equal numbers may come out as a rounding error above zero.
    if spread <= 1e-12 * float(np.abs(means).max()):
        return 0.0 if not means.any() else None
    return float(means.mean()) / spread


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for the number of tests (Holm 1979), in the given order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, number in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[number]))
        adjusted[number] = largest
    return adjusted


def is_binary(values: NDArray[np.float64]) -> bool:
    """Whether every value is 0 or 1, such as a wrong or right answer."""
    return bool(np.isin(values, (0.0, 1.0)).all())
