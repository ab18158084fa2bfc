from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.statistics import Spread, spread

# Rounded, since squares of tiny numbers underflow in numpy, though not in exact arithmetic.
numbers = st.lists(st.floats(-1e6, 1e6).map(lambda value: round(value, 9)), min_size=1, max_size=30)


@given(numbers)
def test_agrees_with_numpy(values: list[float]) -> None:
    found = spread(values)
    scale = max(map(abs, values))
    assert found.n == len(values)
    assert found.mean == pytest.approx(np.mean(values), rel=1e-12, abs=1e-14 * scale)
    if len(values) > 1:
        assert found.std == pytest.approx(np.std(values, ddof=1), rel=1e-9, abs=1e-12 * scale)


@given(numbers, st.randoms(use_true_random=False))
def test_order_does_not_matter(values: list[float], shuffler: random.Random) -> None:
    shuffled = list(values)
    shuffler.shuffle(shuffled)
    assert spread(shuffled) == spread(values)


def test_one_value_has_no_spread() -> None:
    assert spread([0.25]) == Spread(0.25, None, 1)


def test_equal_values_have_a_spread_of_exactly_zero() -> None:
    assert spread([0.1] * 5).std == 0


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [float("inf")]])
def test_refuses_what_has_no_spread(values: list[float]) -> None:
    with pytest.raises(ValueError, match="spread of"):
        spread(values)
