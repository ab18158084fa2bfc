"""Macro F1 against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from gill_bench.metrics.functional.decision import LABELS, macro_f1

PAIRS = st.lists(st.tuples(st.sampled_from(["gen", "ret"]), st.sampled_from(["gen", "ret", "same"])), min_size=1)


@settings(max_examples=200, deadline=None)
@given(PAIRS)
def test_equals_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = zip(*pairs, strict=True)
    expected = f1_score(truth, predicted, average="macro", labels=list(LABELS), zero_division=0)
    assert macro_f1(truth, predicted) == pytest.approx(expected, abs=1e-15)
    assert macro_f1(np.array(truth), np.array(predicted)) == macro_f1(truth, predicted)


def test_a_class_that_never_occurs_counts_nothing() -> None:
    assert macro_f1(["gen", "gen"], ["gen", "gen"]) == 0.5


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (["gen"], ["gen", "ret"], "as many"),
        ([], [], "at least one"),
        (["same"], ["gen"], "'same'"),
        (["gen"], ["generate"], "'generate'"),
    ],
)
def test_wrong_labels(truth: list[str], predicted: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        macro_f1(truth, predicted)
