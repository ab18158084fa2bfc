"""Exact ranks and nearest candidates among millions of embeddings, block by block (Recall@k, paper Table 5; MRR).

The score of a query and a candidate is their dot product, summed in float64 from the first dimension to the last and
rounded to float32: a function of the two vectors alone. Matrix products in float32, whose last digits depend on shapes
and library, only sort out the pairs whose order is certain within their error bound; the others are scored as defined.
So no result depends on the size of blocks, the order of candidates or the machine, and equal candidates tie exactly.

Ties are broken by chance, and what is reported is the expectation over that: optimism and pessimism would differ most
for models that cannot tell candidates apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gill_bench.errors import GillBenchError, InputError

Vectors = NDArray[np.float32]
Blocks = Iterable[NDArray[np.floating]]
Places = NDArray[np.int64]

BLOCK = 4096
"""Candidates in one matrix product, and rows in a block of `blocks_of`."""
_QUERIES = 512  # in one matrix product: 8 MiB of scores
_PAIRS = 1 << 13  # scored as defined at a time: 16 MiB per 256 dimensions
_LARGEST = float(np.finfo(np.float32).max)


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


@dataclass(frozen=True, slots=True)
class Nearest:
    """The best candidates of Q queries, best first; of equal ones the first.

    Attributes:
        places: (Q, k) of the candidates, counted over all blocks.
        scores: (Q, k).
    """

    places: Places
    scores: Vectors


def blocks_of(candidates: NDArray[np.floating], rows: int = BLOCK) -> Iterator[NDArray[np.floating]]:
    """Blocks (rows, p) of a matrix, which may be memory-mapped: only the block at hand is read."""
    for start in range(0, len(candidates), rows):
        yield candidates[start : start + rows]


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
    queries = _float32(queries, None)
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
    own = _scores(queries, vectors)
    if not np.isfinite(own).all():
        raise GillBenchError(f"the score of query {int(np.flatnonzero(~np.isfinite(own))[0])} is not finite")
    better, ties = np.zeros((2, len(queries)), np.int64)
    end = 0
    for start, block in _tiles(blocks(), queries.shape[1]):
        end = start + len(block)
        for part, scores, margin in _products(queries, block, start):
            upper, lower = own[part] + margin, own[part] - margin
            above = scores > upper[:, None]
            better[part] += np.count_nonzero(above, axis=1)
            for near, column in _where((scores >= lower[:, None]) & ~above):
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


def top_k(queries: Vectors, blocks: Blocks, k: int) -> Nearest:
    """The k candidates with the highest scores; fewer if there are fewer.

    Args:
        queries: (Q, p), float16 or float32.
        blocks: The candidates (B, p), float16 or float32, from the first to the last; `blocks_of` cuts a matrix.
        k: How many, at least 1.

    Raises:
        GillBenchError: A score is not finite.
        ValueError: Shapes or dtypes are wrong.
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    queries = _float32(queries, None)
    best = np.full((len(queries), k), -np.inf, np.float32)
    places = np.full((len(queries), k), -1, np.int64)
    count = 0
    for start, block in _tiles(blocks, queries.shape[1]):
        count = start + len(block)
        for part, scores, margin in _products(queries, block, start):
            floor = best[part, -1] - margin
            hit = scores >= floor[:, None]
            if len(block) > k and np.count_nonzero(hit) > k * len(scores):
                # k of this block alone have scores above the k-th less the margin, so below twice that nothing counts.
                kth = np.partition(scores, len(block) - k, axis=1)[:, len(block) - k]
                hit = scores >= np.maximum(floor, kth - 2 * margin)[:, None]
            for near, column in _where(hit):
                exact = _scores(queries[near + part.start], block[column])
                _merge(best, places, near + part.start, exact, column + start)
    return Nearest(places[:, :count], best[:, :count])


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


def _float32(vectors: NDArray[np.floating], width: int | None) -> Vectors:
    if vectors.ndim != 2 or vectors.dtype not in (np.float16, np.float32) or width not in (None, vectors.shape[1]):
        raise ValueError(
            f"embeddings of shape {vectors.shape} and type {vectors.dtype}, expected (rows, {width or 'p'}), float16 or"
            " float32"
        )
    return np.ascontiguousarray(vectors, np.float32)


def _tiles(blocks: Blocks, width: int) -> Iterator[tuple[int, Vectors]]:
    """Candidates as float32, at most BLOCK at a time, with the place of the first."""
    start = 0
    for block in blocks:
        for tile in blocks_of(block):
            yield start, _float32(tile, width)
            start += len(tile)


def _products(queries: Vectors, block: Vectors, start: int) -> Iterator[tuple[slice, Vectors, Vectors]]:
    """Approximate scores (n, B) of some queries at a time, with the bound (n,) of their error against `_scores`."""
    # The usual bound p u |x||y| of a float32 dot product, twice over, which covers the rounding of lengths and of the
    # comparisons; the last terms stand for what falls below the smallest float32.
    longest = _lengths(block).max(initial=0.0)
    for first in range(0, len(queries), _QUERIES):
        part = slice(first, min(first + _QUERIES, len(queries)))
        reach = _lengths(queries[part]) * longest
        if not (reach < _LARGEST).all():
            raise GillBenchError(
                f"scores of candidates {start} to {start + len(block) - 1} are not finite: an embedding there, or of"
                f" queries {part.start} to {part.stop - 1}, is not finite or far too large"
            )
        margin = (queries.shape[1] + 4) * 2.0**-23 * reach + queries.shape[1] * 2.0**-125
        yield part, queries[part] @ block.T, margin.astype(np.float32)


def _lengths(vectors: Vectors) -> NDArray[np.float64]:
    squares = np.einsum("ij,ij->i", vectors, vectors).astype(np.float64)
    return np.asarray(np.sqrt(squares + vectors.shape[1] * 2.0**-125), np.float64)


def _where(chosen: NDArray[np.bool_]) -> Iterator[tuple[Places, Places]]:
    """Rows and columns of what is chosen, some at a time."""
    flat = np.flatnonzero(chosen)
    for first in range(0, len(flat), _PAIRS):
        row, column = np.divmod(flat[first : first + _PAIRS], chosen.shape[1])
        yield row, column


def _scores(queries: Vectors, candidates: Vectors) -> Vectors:
    """Scores (n,) of pairs, as defined: products are exact in float64, and `cumsum` adds them up in order."""
    out = np.empty(len(queries), np.float32)
    for first in range(0, len(queries), _PAIRS):
        part = slice(first, first + _PAIRS)
        products = queries[part].astype(np.float64) * candidates[part]
        out[part] = np.cumsum(products, axis=1, out=products)[:, -1]
    return out


def _compare(
    queries: Vectors, own: Vectors, near: Places, candidates: Vectors, counts: tuple[Places, Places], sign: int
) -> None:
    """Add pairs of queries and candidates to the counts (better, ties), or take them off."""
    if not len(near):
        return
    scores = _scores(queries[near], candidates)
    better, ties = counts
    better += sign * np.bincount(near[scores > own[near]], minlength=len(own))
    ties += sign * np.bincount(near[scores == own[near]], minlength=len(own))


def _merge(best: Vectors, places: Places, rows: Places, scores: Vectors, found: Places) -> None:
    """Put candidates `found` of the queries `rows` where they belong in `best` and `places` (Q, k)."""
    k = best.shape[1]
    touched = np.unique(rows)
    owner = np.concatenate([np.repeat(touched, k), rows])
    score = np.concatenate([best[touched].ravel(), scores])
    place = np.concatenate([places[touched].ravel(), found])
    order = np.lexsort((place, -score, owner))
    take = order[np.searchsorted(owner[order], touched)[:, None] + np.arange(k)]
    best[touched], places[touched] = score[take], place[take]


def _gather(blocks: Blocks, width: int, pairs: _Pairs, out: Vectors) -> int:
    """Copy the candidate of each pair to the row of its query in `out`; returns how many candidates there are."""
    end = 0
    for start, block in _tiles(blocks, width):
        end = start + len(block)
        rows, columns = pairs.within(start, end)
        out[rows] = block[columns - start]
    return end
