"""Constant and random decisions, by enumeration of every draw and of the protocol's splits."""

from __future__ import annotations

import itertools
import math

import pytest

from gill_bench.metrics.functional.decision import constant_f1, macro_f1, random_f1

# Numbers of protocol 3.11: gen, ret, always ret, always gen.
SPLITS = [
    (592, 319, 0.2593, 0.3939),
    (391, 209, 0.2583, 0.3946),
    (201, 110, 0.2613, 0.3926),
    (196, 104, 0.2574, 0.3952),
    (191, 109, 0.2665, 0.3890),
    (198, 113, 0.2665, 0.3890),
]


def truth(gen: int, ret: int) -> list[str]:
    return ["gen"] * gen + ["ret"] * ret


@pytest.mark.parametrize(("gen", "ret", "always_ret", "always_gen"), SPLITS)
def test_constant_decisions_have_the_scores_of_the_protocol(
    gen: int, ret: int, always_ret: float, always_gen: float
) -> None:
    labels = truth(gen, ret)
    assert constant_f1(labels, "ret") == pytest.approx(always_ret, abs=5e-5)
    assert constant_f1(labels, "gen") == pytest.approx(always_gen, abs=5e-5)


@pytest.mark.parametrize("p", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize(("gen", "ret"), [(3, 2), (5, 0), (0, 4), (1, 1)])
def test_random_decisions_equal_the_sum_over_every_draw(gen: int, ret: int, p: float) -> None:
    labels = truth(gen, ret)
    draws = [
        (math.prod(p if label == "ret" else 1 - p for label in draw), macro_f1(labels, draw))
        for draw in itertools.product(["gen", "ret"], repeat=len(labels))
    ]
    mean = sum(weight * value for weight, value in draws)
    std = math.sqrt(sum(weight * (value - mean) ** 2 for weight, value in draws))
    f1 = random_f1(labels, p)
    assert (f1.mean, f1.std) == pytest.approx((mean, std), abs=1e-12)


@pytest.mark.parametrize("prior", [110 / 311, 209 / 600], ids=["test prior", "train prior"])
def test_random_decisions_with_the_class_prior_have_the_scores_of_the_protocol(prior: float) -> None:
    """The protocol notes a standard deviation of 0.0285; summed over all outcomes it is 0.0284."""
    f1 = random_f1(truth(201, 110), prior)
    assert f1.mean == pytest.approx(0.4996, abs=5e-5)
    assert f1.std == pytest.approx(0.02838, abs=1e-5)


def test_decisions_by_a_coin_have_the_score_of_the_protocol() -> None:
    assert random_f1(truth(201, 110), 0.5).mean == pytest.approx(0.489, abs=5e-4)


def test_a_number_that_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match="probability"):
        random_f1(["gen"], 1.5)
    with pytest.raises(ValueError, match="'same'"):
        random_f1(["same"], 0.5)
