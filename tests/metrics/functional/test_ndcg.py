"""NDCG against scikit-learn's, by hand, and over every order of ties."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from gill_bench.errors import GillBenchError, InputError
from gill_bench.metrics.functional.ndcg import ndcg


@pytest.mark.parametrize("ties", [False, True])
def test_ndcg_equals_scikit_learn_at_the_same_k(ties: bool) -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(40, 100))
    if ties:
        scores = np.round(scores)
    relevance = np.where(rng.random((40, 100)) < 0.1, rng.integers(1, 6, (40, 100)) / 5, 0.0)
    relevance[:, 0] = 0.2
    for row, value in enumerate(ndcg(scores, relevance)):
        k = int((relevance[row] > 0).sum())
        assert value == pytest.approx(ndcg_score(relevance[row : row + 1], scores[row : row + 1], k=k), abs=1e-12)


def test_ndcg_by_hand() -> None:
    """Two options are relevant, so that only the first two ranks count."""
    assert ndcg(np.array([[3.0, 2.0, 1.0]]), np.array([[0.5, 0.0, 1.0]]))[0] == pytest.approx(
        0.5 / (1 + 0.5 / math.log2(3))
    )
    assert ndcg(np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 0.5, 1.0]]))[0] == 1
    assert ndcg(np.zeros((1, 4)), np.array([[0.0, 1.0, 0.0, 0.0]]))[0] == 0.25


def test_ties_are_the_mean_over_every_order() -> None:
    relevance = np.array([[1.0, 0.0, 0.4, 0.2]])
    orders = [np.array([[2.0, *order]]) for order in itertools.permutations([0.1, 0.2, 0.3])]
    expected = np.mean([ndcg(order, relevance)[0] for order in orders])
    assert ndcg(np.array([[2.0, 0.0, 0.0, 0.0]]), relevance)[0] == pytest.approx(expected)


def test_scores_or_relevances_that_cannot_be_ranked_are_refused() -> None:
    scores, relevance = np.zeros((2, 4)), np.ones((2, 4))
    with pytest.raises(InputError, match="row 1"):
        ndcg(scores, relevance * [[1], [0]])
    with pytest.raises(InputError, match="row 0"):
        ndcg(scores, relevance * [[-1], [1]])
    with pytest.raises(GillBenchError, match="row 0 are not finite"):
        ndcg(np.array([[np.inf, 0]]), np.ones((1, 2)))
    with pytest.raises(ValueError, match="relevance"):
        ndcg(scores[0], relevance)
