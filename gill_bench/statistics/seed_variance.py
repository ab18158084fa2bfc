"""The part of an interval's width that is due to the choice of seeds, beside the choice of examples.

The values of a model form a table of clusters by seeds, which would change with other clusters and with other seeds.
In gill-bench noise is drawn for each (seed, example) by itself, so the means of clusters over seeds already differ by
most of the effect that seeds have, and an interval over clusters contains that effect. The interval lacks an effect
that one seed has on all examples alike: of a classifier that is trained with the seed, of noise that examples share, or
of an adapter that does not derive its noise from the example. `seed_margin` is the half width for this effect alone.

Resampling seeds crossed with clusters ("pigeonhole bootstrap", Owen 2007) is not done: it counts the noise of single
samples about three times (no resampling is exact: McCullagh 2000), and five seeds are too few to resample. In the
simulation of docs/comparing.md its 95 % intervals cover 98 to 100 % if noise is drawn by sample, and 84 % if an effect
of whole seeds dominates; those with `seed_margin` cover 93 to 97 % in both cases.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gill_bench.statistics.bootstrap import cluster_codes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gill_bench.statistics.bootstrap import Clusters


def seed_margin(values: NDArray[np.float64], clusters: Clusters, level: float = 0.95) -> float:
    """Half width of the interval of a mean that is due to which seeds were drawn.

    From the variance between the means of seeds, the part that the noise of single samples explains is subtracted
    (two-way analysis of variance, Searle, Casella and McCulloch 1992). The half width is the standard error of the
    rest, if above zero, times Student's t for the number of seeds.

    Args:
        values: (N, S), the value of each pair with each seed.
        clusters: The cluster of each pair.
        level: The level of the interval.

    Returns:
        The half width; zero for a single seed, which tells nothing about other seeds, and for fewer than two clusters.

    Raises:
        ValueError: A number is not finite, or the lengths differ.
    """
    import numpy as np
    from scipy.special import stdtrit

    pairs, seeds = values.shape
    if pairs != len(clusters):
        raise ValueError(f"{pairs} pairs, but {len(clusters)} clusters; expected a cluster for each")
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite")
    codes = cluster_codes(clusters)
    count = int(codes.max(initial=0)) + 1
    if seeds < 2 or count < 2:
        return 0.0
    means = values.mean(axis=0)
    # Residuals: each cluster's sum with each seed, after subtracting the seed's mean and the cluster's own mean.
    sums = np.stack([np.bincount(codes, weights=column) for column in (values - means).T], axis=1)
    residuals = sums - sums.mean(axis=1, keepdims=True)
    noise = count / (count - 1) * float(np.square(residuals).sum()) / (seeds - 1) / pairs**2
    seed_effect = float(means.var(ddof=1)) - noise
    return float(stdtrit(seeds - 1, (1 + level) / 2)) * math.sqrt(max(0.0, seed_effect) / seeds)
