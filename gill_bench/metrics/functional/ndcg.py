"""Normalised discounted cumulative gain (NDCG) of ranked options, with the cut-off of the Visual Dialog challenge.

The cut-off k differs by row (protocol 3.6). scikit-learn's `ndcg_score` takes one k for all rows, would need a thousand
times as long for rows with different k, and differs in the last digits; the tests compare the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gill_bench.errors import GillBenchError, InputError


def ndcg(scores: NDArray[np.floating], relevance: NDArray[np.floating]) -> NDArray[np.float64]:
    """NDCG of each row (N,), 0 to 1, over the row's first k options by score.

    k is the number of options in the row with a relevance above zero. The gain of an option is its relevance, the
    discount of a rank is log2(rank + 1). Options with the same score share the mean of their discounts.

    Args:
        scores: (N, O), higher is better.
        relevance: (N, O), not negative, above zero somewhere in each row.

    Raises:
        GillBenchError: A score is not finite.
        InputError: A relevance is negative or not finite, or all relevances of a row are zero.
        ValueError: The shapes differ.

    >>> ndcg(np.array([[0.9, 0.5, 0.1]]), np.array([[1.0, 0.0, 0.5]])).round(4).tolist()
    [0.7602]
    """
    if scores.ndim != 2 or scores.shape != relevance.shape:
        raise ValueError(f"scores {scores.shape} and relevance {relevance.shape}, expected (N, O) both")
    if not np.isfinite(scores).all():
        raise GillBenchError(f"scores of row {int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])} are not finite")
    bad = ~(np.isfinite(relevance) & (relevance >= 0)).all(axis=1) | ~(relevance > 0).any(axis=1)
    if bad.any():
        raise InputError(f"relevances of row {int(np.flatnonzero(bad)[0])}: expected none below zero, and one above")
    discounts = 1 / np.log2(np.arange(scores.shape[1]) + 2)
    values = np.empty(len(scores))
    for row, (score, gain) in enumerate(zip(scores, relevance.astype(np.float64), strict=True)):
        k = int(np.count_nonzero(gain))
        cut = np.where(np.arange(len(gain)) < k, discounts, 0.0)
        _, group, sizes = np.unique(-score, return_inverse=True, return_counts=True)
        shared = np.add.reduceat(cut, np.cumsum(sizes) - sizes) / sizes
        values[row] = (gain * shared[group]).sum() / (np.sort(gain)[::-1] * cut).sum()
    return values
