"""Exact ranks among millions of candidate embeddings, and Recall@k and MRR computed from ranks (paper Table 5).

`gill_bench.embeddings.search` defines the scores, and says why no result depends on blocks, order or machine.

Candidates with equal scores count as being in random order, and values are expectations over that order. Taking the
best or the worst order instead would mislead most for models that cannot tell candidates apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gill_bench.embeddings.search import (
    BLOCK,
    Blocks,
    Indices,
    Nearest,
    Vectors,
    as_float32,
    blocks_of,
    chosen_pairs,
    pair_scores,
    products,
    tiles,
    top_k,
)
from gill_bench.errors import GillBenchError, InputError

__all__ = [
    "BLOCK",
    "Nearest",
    "Ranks",
    "blocks_of",
    "hits_at",
    "ranks",
    "ranks_of_scores",
    "recall_at",
    "reciprocal_ranks",
    "top_k",
]


@dataclass(frozen=True, slots=True)
class Ranks:
    """Ranks of the targets of N queries among the candidates.

    Attributes:
        better: (N,), the number of other candidates with a strictly higher score.
        ties: (N,), the number of other candidates with the same score.
        target_excluded: (N,), whether the target itself was excluded; it then counts as never ranked.
    """

    better: Indices
    ties: Indices
    target_excluded: NDArray[np.bool_]


def ranks(
    queries: Vectors,
    targets: Indices,
    blocks: Callable[[], Blocks],
    excluded: Sequence[Sequence[int]] = (),
) -> Ranks:
    """Rank every query's target among all candidates but the excluded ones.

    Args:
        queries: (N, p), float16 or float32.
        targets: (N,), the number of each query's target among the candidates, from 0.
        blocks: Yields the candidates in blocks (B, p), float16 or float32, from the first to the last. Called twice:
            for the scores of the targets, and for the scores of all other candidates.
        excluded: For each query the numbers of candidates that do not compete, such as pictures in its prompt; () if
            no query has any.

    Raises:
        GillBenchError: A score is not finite, or the second call yields other candidates than the first.
        InputError: A target or an excluded candidate does not exist.
        ValueError: Shapes or dtypes are wrong.

    >>> candidates = np.array([[0.9, 0.1], [0.8, 0.6], [1.0, 0.0]], np.float32)
    >>> ranks(np.eye(2, dtype=np.float32), np.array([0, 1]), lambda: blocks_of(candidates)).better.tolist()
    [1, 0]
    """
    queries = as_float32(queries, None)
    if targets.shape != queries.shape[:1] or (len(excluded) and len(excluded) != len(queries)):
        raise ValueError(
            f"{len(queries)} queries, {targets.shape} targets and {len(excluded)} sets of excluded candidates;"
            " expected a target and, if any, a set for each query"
        )
    targets = targets.astype(np.int64)
    target_excluded = np.zeros(len(queries), bool)
    # The first pass over all candidates also counts targets and excluded candidates; these pairs are taken off again.
    rows, uncounted = [np.arange(len(queries))], [targets]
    for number, candidates in enumerate(excluded):
        others = set(candidates)
        target_excluded[number] = int(targets[number]) in others
        others.discard(int(targets[number]))
        rows.append(np.full(len(others), number))
        uncounted.append(np.array(sorted(others), np.int64))
    pairs = _Pairs(np.concatenate(rows), np.concatenate(uncounted))
    vectors = np.empty_like(queries)
    count = _gather(blocks(), queries.shape[1], _Pairs(np.arange(len(queries)), targets), vectors)
    pairs.check(count)
    target_scores = pair_scores(queries, vectors)
    if not np.isfinite(target_scores).all():
        raise GillBenchError(f"the score of query {int(np.flatnonzero(~np.isfinite(target_scores))[0])} is not finite")
    better, ties = np.zeros((2, len(queries)), np.int64)
    end = 0
    for start, block in tiles(blocks(), queries.shape[1]):
        end = start + len(block)
        for part, scores, margin in products(queries, block, start):
            upper, lower = target_scores[part] + margin, target_scores[part] - margin
            above = scores > upper[:, None]
            better[part] += np.count_nonzero(above, axis=1)
            for near, column in chosen_pairs((scores >= lower[:, None]) & ~above):
                _compare(queries, target_scores, near + part.start, block[column], (better, ties), 1)
        near, column = pairs.within(start, end)
        _compare(queries, target_scores, near, block[column - start], (better, ties), -1)
    if end != count:
        raise GillBenchError(f"the second pass over the candidates gave {end} of them, the first {count}")
    return Ranks(better, ties, target_excluded)


def ranks_of_scores(scores: NDArray[np.floating], targets: Indices) -> Ranks:
    """Rank each row's target among the M scores of the row.

    Args:
        scores: (N, M), higher is better.
        targets: (N,), the column of each row's target.

    Raises:
        GillBenchError: A score is not finite.
        InputError: A target is not a column.
        ValueError: Shapes are wrong.

    >>> ranked = ranks_of_scores(np.array([[0.1, 0.5, 0.5], [0.3, 0.2, 0.1]]), np.array([1, 1]))
    >>> ranked.better.tolist(), ranked.ties.tolist()
    ([0, 1], [1, 0])
    """
    if scores.ndim != 2 or targets.shape != scores.shape[:1]:
        raise ValueError(f"scores {scores.shape} and targets {targets.shape}, expected (N, M) and (N,)")
    if not np.isfinite(scores).all():
        raise GillBenchError(f"scores of row {int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])} are not finite")
    _Pairs(np.arange(len(targets)), targets.astype(np.int64)).check(scores.shape[1])
    target_scores = np.take_along_axis(scores, targets[:, None], axis=1)
    ties = np.count_nonzero(scores == target_scores, axis=1) - 1
    return Ranks(np.count_nonzero(scores > target_scores, axis=1), ties, np.zeros(len(scores), bool))


def hits_at(ranked: Ranks, k: int) -> NDArray[np.float64]:
    """The probability (N,) that each query's target is among the first k, with ties in random order.

    >>> hits_at(ranks_of_scores(np.array([[0.1, 0.5, 0.5]]), np.array([1])), 1).tolist()
    [0.5]
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    share = np.clip((k - ranked.better) / (ranked.ties + 1), 0, 1)
    return np.where(ranked.target_excluded, 0.0, share)


def recall_at(ranked: Ranks, k: int) -> float:
    """Recall@k, 0 to 1: the mean of `hits_at`.

    >>> recall_at(ranks_of_scores(np.array([[0.1, 0.9], [0.8, 0.2]]), np.array([1, 1])), 1)
    0.5
    """
    return float(hits_at(ranked, k).mean())


def reciprocal_ranks(ranked: Ranks) -> NDArray[np.float64]:
    """The expected 1 / rank (N,) of each query's target, with ties in random order; 0 for an excluded target.

    >>> reciprocal_ranks(ranks_of_scores(np.array([[0.1, 0.5, 0.5], [0.3, 0.2, 0.1]]), np.array([1, 1]))).tolist()
    [0.75, 0.5]
    """
    first, last = ranked.better + 1, ranked.better + ranked.ties + 1
    values = [np.mean(1 / np.arange(a, b + 1)) if b > a else 1 / a for a, b in zip(first, last, strict=True)]
    return np.where(ranked.target_excluded, 0.0, values)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of a query and a candidate, both by index, in the order of the candidates."""

    queries: Indices
    candidates: Indices

    def __post_init__(self) -> None:
        order = np.argsort(self.candidates, kind="stable")
        object.__setattr__(self, "queries", self.queries[order])
        object.__setattr__(self, "candidates", self.candidates[order])

    def within(self, start: int, end: int) -> tuple[Indices, Indices]:
        """Queries and candidates of the pairs with start <= candidate < end."""
        part = slice(*np.searchsorted(self.candidates, (start, end)).tolist())
        return self.queries[part], self.candidates[part]

    def check(self, count: int) -> None:
        """Raise `InputError` for a candidate whose index is not below `count`."""
        for end in (0, -1):
            if len(self.candidates) and not 0 <= self.candidates[end] < count:
                raise InputError(f"query {self.queries[end]}: no candidate {self.candidates[end]}, there are {count}")


def _compare(
    queries: Vectors,
    target_scores: Vectors,
    near: Indices,
    candidates: Vectors,
    counts: tuple[Indices, Indices],
    sign: int,
) -> None:
    """Add pairs of the queries `near` and candidates to the counts (better, ties), or with sign -1 take them off."""
    if not len(near):
        return
    scores = pair_scores(queries[near], candidates)
    better, ties = counts
    better += sign * np.bincount(near[scores > target_scores[near]], minlength=len(queries))
    ties += sign * np.bincount(near[scores == target_scores[near]], minlength=len(queries))


def _gather(blocks: Blocks, width: int, pairs: _Pairs, out: Vectors) -> int:
    """Copy the candidate of each pair to the row of its query in `out`; returns the number of candidates."""
    end = 0
    for start, block in tiles(blocks, width):
        end = start + len(block)
        rows, columns = pairs.within(start, end)
        out[rows] = block[columns - start]
    return end
