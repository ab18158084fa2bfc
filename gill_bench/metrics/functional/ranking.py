"""Exact ranks and nearest candidates among millions of embeddings, block by block (Recall@k, paper Table 5; MRR).

Scores, and why no result depends on blocks, order or machine: `gill_bench.embeddings.search`.

Ties are broken by chance, and what is reported is the expectation over that: optimism and pessimism would differ most
for models that cannot tell candidates apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gill_bench.embeddings.search import (
    BLOCK,
    Blocks,
    Nearest,
    Places,
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
    "mean_reciprocal_rank",
    "ranks",
    "ranks_of_scores",
    "recall_at",
    "reciprocal_ranks",
    "top_k",
]


@dataclass(frozen=True, slots=True)
class Ranks:
    """Where the targets of N queries stand.

    Attributes:
        better: (N,) other candidates with a strictly higher score.
        ties: (N,) other candidates with the same score.
        target_excluded: (N,) the target was itself excluded, and counts as never found.
    """

    better: Places
    ties: Places
    target_excluded: NDArray[np.bool_]


def ranks(
    queries: Vectors,
    targets: Places,
    blocks: Callable[[], Blocks],
    excluded: Sequence[Sequence[int]] = (),
) -> Ranks:
    """Rank every query's target among all candidates but the excluded ones.

    Args:
        queries: (N, p), float16 or float32.
        targets: (N,), the place of each query's target among the candidates.
        blocks: Gives the candidates (B, p), float16 or float32, from the first to the last. Called twice: for the
            targets' own scores, and for all others.
        excluded: Per query, places of candidates that do not compete (pictures the query already shows); or none.

    Raises:
        GillBenchError: A score is not finite, or the second call gives other candidates than the first.
        InputError: A target or an excluded place is not among the candidates.
        ValueError: Shapes or dtypes are wrong.
    """
    queries = as_float32(queries, None)
    if targets.shape != queries.shape[:1] or (len(excluded) and len(excluded) != len(queries)):
        raise ValueError(f"{len(queries)} queries, {targets.shape} targets and {len(excluded)} rows of exclusions")
    places = targets.astype(np.int64)
    target_excluded = np.zeros(len(queries), bool)
    rows, out = [np.arange(len(queries))], [places]  # pairs that are counted like all others, and taken off again
    for number, row in enumerate(excluded):
        others = set(row)
        target_excluded[number] = int(places[number]) in others
        others.discard(int(places[number]))
        rows.append(np.full(len(others), number))
        out.append(np.array(sorted(others), np.int64))
    pairs = _Pairs(np.concatenate(rows), np.concatenate(out))
    vectors = np.empty_like(queries)
    count = _gather(blocks(), queries.shape[1], _Pairs(np.arange(len(queries)), places), vectors)
    pairs.check(count)
    own = pair_scores(queries, vectors)
    if not np.isfinite(own).all():
        raise GillBenchError(f"the score of query {int(np.flatnonzero(~np.isfinite(own))[0])} is not finite")
    better, ties = np.zeros((2, len(queries)), np.int64)
    end = 0
    for start, block in tiles(blocks(), queries.shape[1]):
        end = start + len(block)
        for part, scores, margin in products(queries, block, start):
            upper, lower = own[part] + margin, own[part] - margin
            above = scores > upper[:, None]
            better[part] += np.count_nonzero(above, axis=1)
            for near, column in chosen_pairs((scores >= lower[:, None]) & ~above):
                _compare(queries, own, near + part.start, block[column], (better, ties), 1)
        near, column = pairs.within(start, end)
        _compare(queries, own, near, block[column - start], (better, ties), -1)
    if end != count:
        raise GillBenchError(f"the second pass over the candidates gave {end} of them, the first {count}")
    return Ranks(better, ties, target_excluded)


def ranks_of_scores(scores: NDArray[np.floating], targets: Places) -> Ranks:
    """Rank each row's target among all M of the row.

    Args:
        scores: (N, M), compared as they are.
        targets: (N,).

    Raises:
        GillBenchError: A score is not finite.
        InputError: A target is not within the row.
        ValueError: Shapes are wrong.
    """
    if scores.ndim != 2 or targets.shape != scores.shape[:1]:
        raise ValueError(f"scores {scores.shape} and targets {targets.shape}, expected (N, M) and (N,)")
    if not np.isfinite(scores).all():
        raise GillBenchError(f"scores of row {int(np.flatnonzero(~np.isfinite(scores).all(axis=1))[0])} are not finite")
    _Pairs(np.arange(len(targets)), targets.astype(np.int64)).check(scores.shape[1])
    own = np.take_along_axis(scores, targets[:, None], axis=1)
    ties = np.count_nonzero(scores == own, axis=1) - 1
    return Ranks(np.count_nonzero(scores > own, axis=1), ties, np.zeros(len(scores), bool))


def hits_at(found: Ranks, k: int) -> NDArray[np.float64]:
    """Per query (N,), the probability that the target is among the first k, ties broken by chance."""
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    share = np.clip((k - found.better) / (found.ties + 1), 0, 1)
    return np.where(found.target_excluded, 0.0, share)


def recall_at(found: Ranks, k: int) -> float:
    """Recall@k, 0 to 1: the mean of `hits_at`."""
    return float(hits_at(found, k).mean())


def reciprocal_ranks(found: Ranks) -> NDArray[np.float64]:
    """Per query (N,), the expected 1 / rank, ties broken by chance; 0 where the target was excluded."""
    first, last = found.better + 1, found.better + found.ties + 1
    values = [np.mean(1 / np.arange(a, b + 1)) if b > a else 1 / a for a, b in zip(first, last, strict=True)]
    return np.where(found.target_excluded, 0.0, values)


def mean_reciprocal_rank(found: Ranks) -> float:
    """The mean of `reciprocal_ranks`."""
    return float(reciprocal_ranks(found).mean())


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pairs of a query and a candidate's place, in the order of the places."""

    queries: Places
    places: Places

    def __post_init__(self) -> None:
        order = np.argsort(self.places, kind="stable")
        object.__setattr__(self, "queries", self.queries[order])
        object.__setattr__(self, "places", self.places[order])

    def within(self, start: int, end: int) -> tuple[Places, Places]:
        """Queries and places of the pairs with start <= place < end."""
        part = slice(*np.searchsorted(self.places, (start, end)).tolist())
        return self.queries[part], self.places[part]

    def check(self, count: int) -> None:
        """Raise `InputError` for a place that is not among so many candidates."""
        for end in (0, -1):
            if len(self.places) and not 0 <= self.places[end] < count:
                raise InputError(f"query {self.queries[end]}: no candidate {self.places[end]}, there are {count}")


def _compare(
    queries: Vectors, own: Vectors, near: Places, candidates: Vectors, counts: tuple[Places, Places], sign: int
) -> None:
    """Add pairs of queries and candidates to the counts (better, ties), or take them off."""
    if not len(near):
        return
    scores = pair_scores(queries[near], candidates)
    better, ties = counts
    better += sign * np.bincount(near[scores > own[near]], minlength=len(own))
    ties += sign * np.bincount(near[scores == own[near]], minlength=len(own))


def _gather(blocks: Blocks, width: int, pairs: _Pairs, out: Vectors) -> int:
    """Copy the candidate of each pair to the row of its query in `out`; returns how many candidates there are."""
    end = 0
    for start, block in tiles(blocks, width):
        end = start + len(block)
        rows, columns = pairs.within(start, end)
        out[rows] = block[columns - start]
    return end
