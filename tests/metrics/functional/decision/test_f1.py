"""Macro F1 against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gill_bench.metrics.functional.decision import LABELS, macro_f1

PAIRS = st.lists(st.tuples(st.sampled_from(["gen", "ret"]), st.sampled_from(["gen", "ret", "same"])), min_size=1)


@settings(max_examples=80, deadline=None)
@given(PAIRS)
def test_macro_f1_is_the_formula(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = zip(*pairs, strict=True)
    right = {label: pairs.count((label, label)) for label in LABELS}
    both = {label: truth.count(label) + predicted.count(label) for label in LABELS}
    expected = sum(2 * right[label] / both[label] if both[label] else 0.0 for label in LABELS) / 2
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
def test_labels_that_do_not_exist_and_unequal_lengths_are_refused(
    truth: list[str], predicted: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        macro_f1(truth, predicted)
