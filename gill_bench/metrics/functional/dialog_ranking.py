"""Ranking on Visual Dialog: answers among a hundred options, and dialogs against pictures (protocol 3.6).

Both have a mode that repeats what the public FROMAGe script computes, mistakes included, and a default that does what
the metric's name says. Ties are treated as in `ranking`: the expectation over a random order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gill_bench.embeddings.search import Places, Vectors, blocks_of
from gill_bench.errors import GillBenchError, InputError
from gill_bench.metrics.functional.ranking import Ranks, mean_reciprocal_rank, ranks, ranks_of_scores, recall_at

Matrix = NDArray[np.floating]

Direction = Literal["text-to-image", "image-to-text"]

FROMAGE_DIRECTION: Direction = "image-to-text"
"""What the script calls text-to-image ranks the dialogs for each picture."""


@dataclass(frozen=True, slots=True)
class AnswerRanking:
    """How well a model ranks the answers.

    Attributes:
        recall: Recall@k over all rounds, 0 to 1, by k.
        mean_reciprocal_rank: Over all rounds.
        mean_rank: Over all rounds, from 1.
        ndcg: Mean over dialogs, on the round with relevances.
    """

    recall: dict[int, float]
    mean_reciprocal_rank: float
    mean_rank: float
    ndcg: float


def answer_ranking(
    scores: Matrix,
    gt_index: Places,
    relevance: Matrix,
    round_id: Places,
    *,
    fromage_compat: bool = False,
    ks: Sequence[int] = (1, 5, 10, 20),
) -> AnswerRanking:
    """Rank the options of every round by score.

    Args:
        scores: (D, R, O), higher is better, of D dialogs with R rounds of O options.
        gt_index: (D, R), the option that was said.
        relevance: (D, O), of the densely annotated round's options, not negative.
        round_id: (D,), the densely annotated round, from 1, as stored.
        fromage_compat: Take NDCG's scores from the round after the annotated one; see `dense_scores`.
        ks: Of Recall@k.

    Raises:
        GillBenchError: A score is not finite.
        InputError: Indices or relevances are wrong.
        ValueError: Shapes are wrong.
    """
    if scores.ndim != 3 or gt_index.shape != scores.shape[:2]:
        raise ValueError(f"scores {scores.shape} and gt_index {gt_index.shape}, expected (D, R, O) and (D, R)")
    dense = dense_scores(scores, round_id, fromage_compat=fromage_compat)
    found = ranks_of_scores(scores.reshape(-1, scores.shape[2]), gt_index.reshape(-1))
    return AnswerRanking(
        {k: recall_at(found, k) for k in ks},
        mean_reciprocal_rank(found),
        float((found.better + found.ties / 2).mean() + 1),
        float(ndcg(dense, relevance[: len(dense)]).mean()),
    )


def dense_scores(scores: Matrix, round_id: Places, *, fromage_compat: bool = False) -> Matrix:
    """Scores (D, O) of the densely annotated round of each dialog.

    Args:
        scores: (D, R, O).
        round_id: (D,), from 1.
        fromage_compat: Take `round_id` for a place from 0, as the FROMAGe script does: relevances meet the scores of
            the next round, and after the last round those of the next dialog's first. After the very last round, the
            script stops and averages what it has: (D - 1, O).

    Raises:
        InputError: A round is not within the dialog.
        ValueError: Shapes are wrong.
    """
    dialogs, rounds, options = scores.shape
    if round_id.shape != (dialogs,):
        raise ValueError(f"scores {scores.shape} and round_id {round_id.shape}, expected (D, R, O) and (D,)")
    if not ((round_id >= 1) & (round_id <= rounds)).all():
        place = int(np.flatnonzero((round_id < 1) | (round_id > rounds))[0])
        raise InputError(f"dialog {place}: round_id {round_id[place]}, expected 1 to {rounds}")
    place = np.arange(dialogs) * rounds + round_id - (0 if fromage_compat else 1)
    chosen: Matrix = scores.reshape(-1, options)[place[place < dialogs * rounds]]
    return chosen


def ndcg(scores: Matrix, relevance: Matrix) -> NDArray[np.float64]:
    """Normalised discounted cumulative gain (N,), 0 to 1, over the first k options by score.

    k is the row's number of options with a relevance above zero; gain is the relevance itself, the discount
    log2(rank + 1), as in the Visual Dialog challenge. Options of equal score share the mean of their discounts, as in
    scikit-learn's `ndcg_score`.

    Args:
        scores: (N, O).
        relevance: (N, O), not negative, above zero somewhere in each row.

    Raises:
        GillBenchError: A score is not finite.
        InputError: A relevance is negative or not finite, or all of a row are zero.
        ValueError: Shapes differ.
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


def dialog_retrieval(texts: Vectors, images: Vectors, direction: Direction) -> Ranks:
    """Rank each dialog's picture among all pictures, or each picture's dialog among all dialogs.

    Args:
        texts: (D, p), normalised embeddings of dialogs.
        images: (D, p), of their pictures, in the same order. The script leaves them as long as they are, which changes
            nothing in its own direction.
        direction: "text-to-image" or "image-to-text", the query first.

    Raises:
        GillBenchError: A score is not finite.
        ValueError: Shapes differ, or there is no such direction.
    """
    if texts.shape != images.shape:
        raise ValueError(f"embeddings of texts {texts.shape} and images {images.shape}, expected the same shape")
    if direction not in ("text-to-image", "image-to-text"):
        raise ValueError(f"direction {direction!r}, expected 'text-to-image' or 'image-to-text'")
    queries, candidates = (texts, images) if direction == "text-to-image" else (images, texts)
    return ranks(queries, np.arange(len(queries)), lambda: blocks_of(candidates))
