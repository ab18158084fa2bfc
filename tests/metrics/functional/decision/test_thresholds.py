"""The threshold rules, ties included, and sweeps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gill_bench.errors import InputError
from gill_bench.metrics.functional.decision import GRID, macro_f1, similarity_rule, sweep, threshold_rule

# Multiples of 1/64, so that 1 - p and 1 - t are exact and ties happen.
STEPS = st.integers(0, 64).map(lambda step: step / 64)


def probabilities(p_ret: list[float]) -> np.ndarray:
    ret = np.array(p_ret, dtype=np.float32)
    return np.stack([1 - ret, ret], axis=1)


@settings(deadline=None)
@given(st.lists(STEPS, min_size=1), STEPS)
def test_the_authors_rule_in_words(p_ret: list[float], t: float) -> None:
    expected = ["ret" if (p >= 1 - t if t < 0.5 else p > t) else "gen" for p in p_ret]
    assert threshold_rule(probabilities(p_ret), t).tolist() == expected
    argmax = (probabilities(p_ret) > t).astype(int).argmax(axis=1)
    assert [("gen", "ret")[column] for column in argmax] == expected


@settings(deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=1), STEPS)
def test_a_threshold_and_its_complement_differ_in_ties_alone(p_ret: list[float], t: float) -> None:
    free = [p for p in p_ret if np.float32(p) not in (np.float32(t), np.float32(1 - t))]
    pair = np.array([[1 - p, p] for p in free]).reshape(-1, 2)
    assert threshold_rule(pair, t).tolist() == threshold_rule(pair, 1 - t).tolist()


def test_the_threshold_has_the_precision_of_the_probabilities() -> None:
    """float32 of 0.7 is less than 0.7: a comparison in float64 would find the other column to exceed the threshold."""
    pair = np.array([[0.3, 0.7], [0.3, np.nextafter(np.float32(0.7), np.float32(1))]], dtype=np.float32)
    assert threshold_rule(pair, 0.7).tolist() == ["gen", "ret"]


def test_a_similarity_above_the_threshold_means_retrieve() -> None:
    assert similarity_rule(np.array([0.2, 0.5, 0.6]), 0.5).tolist() == ["gen", "gen", "ret"]


def test_a_sweep_has_the_extremes_of_every_threshold_by_hand() -> None:
    rng = np.random.default_rng(0)
    truth = rng.choice(["gen", "ret"], 40)
    similarities = rng.random(40)
    by_hand = [macro_f1(truth, ["ret" if s > t else "gen" for s in similarities]) for t in GRID]
    curve = sweep(truth, similarities, similarity_rule)
    assert (curve.minimum, curve.maximum) == (min(by_hand), max(by_hand))
    assert curve.best_threshold == GRID[int(np.argmax(by_hand))]
    assert curve.at_half == by_hand[50]


def test_the_classifiers_minimum_is_always_generate() -> None:
    """At 0 both columns exceed the threshold, at 1 neither does."""
    truth = ["gen"] * 201 + ["ret"] * 110
    p_ret = np.linspace(0.01, 0.99, 311).tolist()
    curve = sweep(truth, probabilities(p_ret), threshold_rule)
    assert curve.minimum == pytest.approx(macro_f1(truth, ["gen"] * 311))
    assert sweep(truth, probabilities(p_ret), threshold_rule, [0.0]).maximum == curve.minimum
    assert curve.maximum > curve.minimum


def test_a_threshold_of_one_half_is_scored_though_the_grid_lacks_it() -> None:
    curve = sweep(["ret"], np.array([0.6]), similarity_rule, grid=[0.9])
    assert (curve.at_half, curve.maximum) == (0.5, 0.0)


def test_scores_that_are_not_finite_or_of_another_shape_are_refused() -> None:
    with pytest.raises(InputError, match="prompt 1"):
        threshold_rule(np.array([[0.5, 0.5], [np.nan, 0.5]]), 0.5)
    with pytest.raises(InputError, match="prompt 0"):
        similarity_rule(np.array([np.inf]), 0.5)
    with pytest.raises(ValueError, match=r"\(N, 2\)"):
        threshold_rule(np.array([0.5]), 0.5)
    with pytest.raises(ValueError, match=r"\(N,\)"):
        similarity_rule(np.array([[0.5]]), 0.5)
    with pytest.raises(ValueError, match="no thresholds"):
        sweep(["gen"], np.array([0.5]), similarity_rule, [])
