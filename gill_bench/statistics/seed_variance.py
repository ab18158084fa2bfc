"""Seeds as the second level of an interval: what other seeds would give, crossed with what other examples would.

A table of clusters by seeds has two ways to vary. In gill-bench noise is drawn for each (seed, example) by itself, so
most of what seeds do is already in the spread between clusters: their means over seeds differ by it. What is left is
a seed's own effect, the same for all examples: of a classifier that is trained with the seed, of noise shared by
examples, of an adapter that does not follow the rule. Only that is added here.

Resampling seeds crossed with clusters ("pigeonhole bootstrap", Owen 2007) is not done: it counts the noise of single
samples about three times (no resampling is exact: McCullagh 2000), and five seeds are too few to resample.
docs/comparing.md has the simulation: it covers 98 to 100 % where noise is by sample, and 84 % where a seed's own effect
dominates; this one 93 to 97 % in both.
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

    The variance between seeds' means less what the noise of single samples explains of it (analysis of variance in two
    ways, Searle, Casella and McCulloch 1992), not below zero, and Student's t for as many seeds.

    Args:
        values: (N, S), the value of each pair with each seed.
        clusters: The cluster of each pair.
        level: The level of the interval.

    Returns:
        Zero for one seed, which tells nothing about others, and for fewer than two clusters.

    Raises:
        ValueError: Numbers that are not finite, or lengths that differ.
    """
    import numpy as np
    from scipy.special import stdtrit

    pairs, seeds = values.shape
    if pairs != len(clusters):
        raise ValueError(f"{pairs} pairs, but {len(clusters)} clusters; expected as many")
    if not np.isfinite(values).all():
        raise ValueError("a value is not finite")
    places = cluster_codes(clusters)
    count = int(places.max(initial=0)) + 1
    if seeds < 2 or count < 2:
        return 0.0
    means = values.mean(axis=0)
    # What is left of each cluster's sum with each seed, when the seed's mean and the cluster's own are taken away.
    sums = np.stack([np.bincount(places, weights=column) for column in (values - means).T], axis=1)
    rest = sums - sums.mean(axis=1, keepdims=True)
    noise = count / (count - 1) * float(np.square(rest).sum()) / (seeds - 1) / pairs**2
    own = float(means.var(ddof=1)) - noise
    return float(stdtrit(seeds - 1, (1 + level) / 2)) * math.sqrt(max(0.0, own) / seeds)
