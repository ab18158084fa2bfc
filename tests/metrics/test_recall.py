"""Recall from ranks: which values of k, ties, masks, names."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.cards.find import Value
from gill_bench.errors import InputError
from gill_bench.metrics import Question, Score, recall
from tests.support.metric_cases import Case

HARNESS = (Case(outputs={"1": (0, 0, False), "2": (3, 1, False), "3": (9, 0, True)}, asks="embeddings"),)
QUESTION = Question("embeddings", "10-rounds", 0)


def scores(outputs: dict[str, tuple[int, int, bool]], **settings: Value) -> dict[str, Score]:
    return {score.metric: score for score in recall.scores(outputs, {}, settings, QUESTION)}


def test_ties_count_their_expectation_and_masked_ones_nothing() -> None:
    by_metric = scores({"a": (0, 0, False), "b": (3, 0, False), "c": (4, 3, False), "d": (0, 0, True)})
    assert [by_metric[f"recall@{k}"].value for k in (1, 5, 10)] == [0.25, (1 + 1 + 0.25) / 4, 0.75]
    assert by_metric["recall@5"].each == {"a": 1.0, "b": 1.0, "c": 0.25, "d": 0.0}
    assert {(score.scored, score.higher_is_better, score.where) for score in by_metric.values()} == {(4, True, None)}


def test_recall_of_no_output_has_no_value() -> None:
    assert {(score.metric, score.value, score.scored) for score in scores({}).values()} == {
        ("recall@1", None, 0),
        ("recall@5", None, 0),
        ("recall@10", None, 0),
    }


ranks = st.tuples(st.integers(0, 30), st.integers(0, 5), st.booleans())


@given(st.lists(ranks, min_size=1, max_size=20))
def test_recall_grows_with_k(outputs_in_order: list[tuple[int, int, bool]]) -> None:
    outputs = {str(index): output for index, output in enumerate(outputs_in_order)}
    values = [score.value for score in scores(outputs, at="1,2,5,10,40").values()]
    assert values == sorted(values, key=lambda value: -1 if value is None else value)
    assert values[-1] == pytest.approx(sum(not masked for _, _, masked in outputs_in_order) / len(outputs_in_order))
    assert all(value is not None and 0 <= value <= 1 and math.isfinite(value) for value in values)


def test_the_other_direction_has_another_name_and_signature() -> None:
    assert list(scores({}, at="3", direction="image-to-text")) == ["recall-image-to-text@3"]
    signatures = {
        recall.signature(settings, "")
        for settings in ({}, {"direction": "image-to-text"}, {"mask_seen": True}, {"at": "3"})
    }
    assert len(signatures) == 3  # other values of k are other numbers, but no other way of computing them


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at": "1,x"}, "at = '1,x': expected whole numbers"),
        ({"at": ""}, "at = '': expected whole numbers"),
        ({"at": "1,,5"}, "expected whole numbers"),
        ({"at": "0,5"}, "at = '0,5': expected numbers of at least 1"),
        ({"direction": "both"}, "direction"),
        ({"k": 5}, "unknown"),
    ],
)
def test_wrong_settings_of_recall_are_refused(settings: dict[str, Value], message: str) -> None:
    with pytest.raises(InputError, match=message):
        recall.check(None, settings, "")


def test_a_random_order_is_the_trivial_answer() -> None:
    outputs = {"a": (0, 0, False, 9), "b": (7, 0, False, 9), "c": (2, 0, True, 8)}
    trivial = recall.trivial(outputs, {}, {}, QUESTION)
    by_metric = {score.metric: score.value for score in recall.scores(trivial.outputs, {}, {}, QUESTION)}
    # Two of ten candidates on average, one never, as it is not searched.
    assert by_metric["recall@1"] == pytest.approx((0.1 + 0.1 + 0) / 3)
    assert by_metric["recall@10"] == pytest.approx(2 / 3)
