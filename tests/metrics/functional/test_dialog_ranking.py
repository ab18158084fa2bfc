"""Answer ranking and dialog retrieval, against scikit-learn and loops, on made scores and real dense annotations."""

from __future__ import annotations

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from gill_bench.errors import GillBenchError, InputError
from gill_bench.metrics.functional.dialog_ranking import (
    FROMAGE_DIRECTION,
    answer_ranking,
    dense_scores,
    dialog_retrieval,
    ndcg,
)
from gill_bench.metrics.functional.ranking import recall_at


@pytest.mark.parametrize("ties", [False, True])
def test_ndcg_equals_scikit_learn_at_the_same_k(ties: bool) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(40, 100))
    if ties:
        scores = np.round(scores)
    relevance = np.where(rng.random((40, 100)) < 0.1, rng.integers(1, 6, (40, 100)) / 5, 0.0)
    relevance[:, 0] = 0.2
    found = ndcg(scores, relevance)
    for row, value in enumerate(found):
        k = int((relevance[row] > 0).sum())
        assert value == pytest.approx(ndcg_score(relevance[row : row + 1], scores[row : row + 1], k=k), abs=1e-12)


def test_ndcg_by_hand() -> None:
    """Two relevant options, so that only the first two places count."""
    assert ndcg(np.array([[3.0, 2.0, 1.0]]), np.array([[0.5, 0.0, 1.0]]))[0] == pytest.approx(
        0.5 / (1 + 0.5 / math.log2(3))
    )
    assert ndcg(np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 0.5, 1.0]]))[0] == 1


def test_ties_are_the_mean_over_every_order() -> None:
    relevance = np.array([[1.0, 0.0, 0.4, 0.2]])
    orders = [np.array([[2.0, *order]]) for order in itertools.permutations([0.1, 0.2, 0.3])]
    expected = np.mean([ndcg(order, relevance)[0] for order in orders])
    assert ndcg(np.array([[2.0, 0.0, 0.0, 0.0]]), relevance)[0] == pytest.approx(expected)


def test_answer_ranking_against_loops() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(6, 10, 100))
    truth = rng.integers(0, 100, (6, 10))
    relevance = np.eye(6, 100) + np.eye(6, 100, 9) / 2
    rounds = np.array([1, 10, 3, 4, 10, 9])
    found = answer_ranking(scores, truth, relevance, rounds)
    places = [1 + int((-scores[d, r]).argsort().tolist().index(int(truth[d, r]))) for d in range(6) for r in range(10)]
    assert found.recall == {k: pytest.approx(np.mean([place <= k for place in places])) for k in (1, 5, 10, 20)}
    assert found.mean_rank == pytest.approx(np.mean(places))
    assert found.mean_reciprocal_rank == pytest.approx(np.mean([1 / place for place in places]))
    by_hand = [ndcg_score(relevance[d : d + 1], scores[d, rounds[d] - 1][None], k=2) for d in range(6)]
    assert found.ndcg == pytest.approx(np.mean(by_hand))
    flat = scores.reshape(60, 100)
    spilled = [ndcg_score(relevance[d : d + 1], flat[10 * d + rounds[d]][None], k=2) for d in range(6)]
    compat = answer_ranking(scores, truth, relevance, rounds, fromage_compat=True)
    assert compat.ndcg == pytest.approx(np.mean(spilled))
    assert (compat.recall, compat.mean_rank) == (found.recall, found.mean_rank)


def test_the_script_takes_the_next_round_and_the_next_dialog() -> None:
    scores = np.arange(2 * 10)[:, None].repeat(3, axis=1).reshape(2, 10, 3).astype(float)
    rounds = np.array([10, 4])
    assert dense_scores(scores, rounds)[:, 0].tolist() == [9, 13]
    assert dense_scores(scores, rounds, fromage_compat=True)[:, 0].tolist() == [10, 14]
    assert dense_scores(scores, np.array([4, 10]), fromage_compat=True)[:, 0].tolist() == [4]


def test_ties_of_answers_are_expectations() -> None:
    found = answer_ranking(np.zeros((1, 1, 4)), np.array([[2]]), np.array([[0.0, 1.0, 0.0, 0.0]]), np.array([1]))
    assert found.recall == {1: 0.25, 5: 1, 10: 1, 20: 1}
    assert found.mean_rank == 2.5
    assert found.mean_reciprocal_rank == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert found.ndcg == 0.25


def test_real_dense_annotations(real_data: Path) -> None:
    """Scored by their own relevances everything is perfect; with those of another round it is not."""
    folder = real_data / "visdial"
    dense = json.loads((folder / "visdial_1.0_val_dense_annotations.json").read_text(encoding="utf-8"))
    dialogs = json.loads((folder / "visdial_1.0_val.json").read_text(encoding="utf-8"))["data"]["dialogs"]
    assert [one["image_id"] for one in dense] == [one["image_id"] for one in dialogs]
    relevance = np.array([one["gt_relevance"] for one in dense])
    rounds = np.array([one["round_id"] for one in dense])
    truth = np.array([[turn["gt_index"] for turn in one["dialog"]] for one in dialogs])
    assert (rounds.min(), rounds.max(), relevance.shape[1]) == (1, 10, 100)
    scores = np.random.default_rng(2).normal(size=(*truth.shape, 100)) - 10
    np.put_along_axis(scores, truth[..., None], 0.0, axis=2)
    found = answer_ranking(scores, truth, relevance, rounds)
    assert (found.recall[1], found.mean_rank, found.mean_reciprocal_rank) == (1, 1, 1)
    scores[np.arange(len(rounds)), rounds - 1] = relevance
    found = answer_ranking(scores, truth, relevance, rounds)
    assert found.ndcg == pytest.approx(1)
    assert rounds[-1] == 10  # the script's index is past the end there: it stops and averages the 96 dialogs before
    compat = answer_ranking(scores, truth, relevance, rounds, fromage_compat=True)
    assert compat.ndcg < 0.9
    places = np.arange(96) * 10 + rounds[:96]
    assert compat.ndcg == pytest.approx(ndcg(scores.reshape(-1, 100)[places], relevance[:96]).mean())


def test_both_directions_of_dialog_retrieval() -> None:
    """Two dialogs like the same picture: one finds it first, and that picture's own dialog is first for it."""
    images = np.eye(3, dtype=np.float32)
    texts = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1]], np.float32)
    assert dialog_retrieval(texts, images, "text-to-image").better.tolist() == [0, 1, 0]
    assert dialog_retrieval(texts, images, "image-to-text").better.tolist() == [0, 0, 0]
    assert FROMAGE_DIRECTION == "image-to-text"
    long = images * np.array([[9], [1], [0.1]], np.float32)
    assert recall_at(dialog_retrieval(texts, long, "image-to-text"), 1) == 1


def test_wrong_input() -> None:
    scores, truth, relevance = np.zeros((2, 10, 4)), np.zeros((2, 10), int), np.ones((2, 4))
    rounds = np.array([1, 2])
    with pytest.raises(InputError, match="dialog 1: round_id 0"):
        answer_ranking(scores, truth, relevance, np.array([1, 0]))
    with pytest.raises(InputError, match="row 1"):
        answer_ranking(scores, truth, relevance * [[1], [0]], rounds)
    with pytest.raises(InputError, match="row 0"):
        answer_ranking(scores, truth, relevance * [[-1], [1]], rounds)
    with pytest.raises(InputError, match="no candidate 4"):
        answer_ranking(scores, truth + 4, relevance, rounds)
    with pytest.raises(GillBenchError, match="not finite"):
        answer_ranking(scores * np.nan, truth, relevance, rounds)
    with pytest.raises(GillBenchError, match="not finite"):
        ndcg(np.array([[np.inf, 0]]), np.ones((1, 2)))
    with pytest.raises(ValueError, match="gt_index"):
        answer_ranking(scores, truth[:1], relevance, rounds)
    with pytest.raises(ValueError, match="round_id"):
        dense_scores(scores, rounds[:1])
    with pytest.raises(ValueError, match="relevance"):
        ndcg(scores[0], relevance)
    with pytest.raises(ValueError, match="same shape"):
        dialog_retrieval(np.ones((2, 3), np.float32), np.ones((3, 3), np.float32), "text-to-image")
