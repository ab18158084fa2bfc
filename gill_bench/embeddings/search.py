"""Exact scores and the nearest among millions of candidate embeddings, block by block; shared by models and metrics.

The score of a query and a candidate is their dot product, summed in float64 from the first dimension to the last and
rounded to float32, so it depends on the two vectors alone. Matrix products in float32, whose last digits depend on
shapes and library, only drop candidates that cannot be among the best within the products' error bound; the pairs that
remain are scored by the definition.
So no result depends on the size of blocks, the order of candidates or the machine, and equal candidates tie exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gill_bench.errors import GillBenchError

Vectors = NDArray[np.float32]
Blocks = Iterable[NDArray[np.floating]]
Indices = NDArray[np.int64]

BLOCK = 4096
"""Candidates in one matrix product, and rows in a block of `blocks_of`."""
_QUERIES = 512  # queries in one matrix product, which then has 8 MiB of scores
_PAIRS = 1 << 13  # pairs that are scored by the definition at a time: 16 MiB per 256 dimensions
_LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, slots=True)
class Nearest:
    """The k best candidates of Q queries, the best first; of candidates with equal scores, the first comes first.

    Attributes:
        indices: (Q, k), the candidates' indices, counted over all blocks.
        scores: (Q, k), the candidates' scores.
    """

    indices: Indices
    scores: Vectors


def blocks_of(candidates: NDArray[np.floating], rows: int = BLOCK) -> Iterator[NDArray[np.floating]]:
    """Blocks (rows, p) of a matrix; of a memory-mapped matrix one block is read at a time."""
    for start in range(0, len(candidates), rows):
        yield candidates[start : start + rows]


def top_k(queries: Vectors, blocks: Blocks, k: int) -> Nearest:
    """The k candidates with the highest scores for each query; all candidates if there are fewer than k.

    Args:
        queries: (Q, p), float16 or float32.
        blocks: The candidates (B, p), float16 or float32, from the first to the last; `blocks_of` cuts a matrix.
        k: The number of candidates for each query, at least 1.

    Raises:
        GillBenchError: A score is not finite.
        ValueError: Shapes or dtypes are wrong.
    """
    if k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    queries = as_float32(queries, None)
    best = np.full((len(queries), k), -np.inf, np.float32)
    indices = np.full((len(queries), k), -1, np.int64)
    count = 0
    for start, block in tiles(blocks, queries.shape[1]):
        count = start + len(block)
        for part, scores, margin in products(queries, block, start):
            floor = best[part, -1] - margin
            hit = scores >= floor[:, None]
            if len(block) > k and np.count_nonzero(hit) > k * len(scores):
                # k candidates of this block score at least the k-th approximate score less the margin; a candidate more
                # than two margins below that score cannot be among the best k.
                kth = np.partition(scores, len(block) - k, axis=1)[:, len(block) - k]
                hit = scores >= np.maximum(floor, kth - 2 * margin)[:, None]
            for near, column in chosen_pairs(hit):
                exact = pair_scores(queries[near + part.start], block[column])
                _merge(best, indices, near + part.start, exact, column + start)
    return Nearest(indices[:, :count], best[:, :count])


def as_float32(vectors: NDArray[np.floating], width: int | None) -> Vectors:
    """Embeddings (rows, p) as float32.

    Raises:
        ValueError: They are neither float16 nor float32, or p is not `width`.
    """
    if vectors.ndim != 2 or vectors.dtype not in (np.float16, np.float32) or width not in (None, vectors.shape[1]):
        raise ValueError(
            f"embeddings of shape {vectors.shape} and type {vectors.dtype}, expected (rows, {width or 'p'}), float16 or"
            " float32"
        )
    return np.ascontiguousarray(vectors, np.float32)


def tiles(blocks: Blocks, width: int) -> Iterator[tuple[int, Vectors]]:
    """Candidates as float32, at most BLOCK at a time, each time with the index of the first."""
    start = 0
    for block in blocks:
        for tile in blocks_of(block):
            yield start, as_float32(tile, width)
            start += len(tile)


def products(queries: Vectors, block: Vectors, start: int) -> Iterator[tuple[slice, Vectors, Vectors]]:
    """Approximate scores (n, B) of some queries at a time, with the bound (n,) of their error against `pair_scores`."""
    # Twice the usual error bound p u |x||y| of a float32 dot product: the second half covers the rounding of lengths
    # and of comparisons. The last terms cover numbers that are smaller than the smallest float32.
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


def chosen_pairs(chosen: NDArray[np.bool_]) -> Iterator[tuple[Indices, Indices]]:
    """Row and column indices of the true elements of a matrix, at most `_PAIRS` at a time."""
    flat = np.flatnonzero(chosen)
    for first in range(0, len(flat), _PAIRS):
        rows, columns = np.divmod(flat[first : first + _PAIRS], chosen.shape[1])
        yield rows, columns


def pair_scores(queries: Vectors, candidates: Vectors) -> Vectors:
    """Scores (n,) of n pairs by the definition: products are exact in float64, and `cumsum` adds them in order."""
    out = np.empty(len(queries), np.float32)
    for first in range(0, len(queries), _PAIRS):
        part = slice(first, first + _PAIRS)
        products = queries[part].astype(np.float64) * candidates[part]
        out[part] = np.cumsum(products, axis=1, out=products)[:, -1]
    return out


def _merge(best: Vectors, indices: Indices, rows: Indices, scores: Vectors, candidates: Indices) -> None:
    """Sort candidates of the queries `rows`, with their scores, into the best scores and indices (Q, k) so far."""
    k = best.shape[1]
    touched = np.unique(rows)
    owner = np.concatenate([np.repeat(touched, k), rows])
    score = np.concatenate([best[touched].ravel(), scores])
    index = np.concatenate([indices[touched].ravel(), candidates])
    order = np.lexsort((index, -score, owner))
    take = order[np.searchsorted(owner[order], touched)[:, None] + np.arange(k)]
    best[touched], indices[touched] = score[take], index[take]
