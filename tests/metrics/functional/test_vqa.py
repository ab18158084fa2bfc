"""VQA accuracy: the measured examples of the protocol, and an independent, slow form of the leave-one-out rule."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.metrics.functional.vqa import accuracy_of_matches, normalise, vqa_accuracy

MIXED = ["no"] * 9 + ["maybe"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ping-pong", "ping pong"),
        ("t-shirt - blue", "tshirt blue"),
        ("1,000 people-lot", "1000 peoplelot"),
        ("10:30", "10:30"),
        ("$5.00", "$5.00"),
        ("none", "0"),
        ("a", ""),
        ("The", ""),
        ("1.", "1"),
        ("U.S.", "us"),
        ("3.5", "3.5"),
        (".5", ".5"),
        ("Ten", "10"),
        ("shes", "shes"),
        ("its", "its"),
        ("hes", "he's"),
        ("dont", "don't"),
        ("Im", "im"),
        ("couldnt've", "couldn't've"),
        ("couldn'tve", "couldn't've"),
        ("somebody'd", "somebodyd"),
        ("yall'll", "y'all'll"),
        ("x-b,c", "x b c"),
        ("a , b-c", "b c"),
        ("what?!", "what"),
        ("x" + "." * 40, "x" + "." * 8),
        ("ΣΑΣ", "σασ"),
        ("", ""),
    ],
)
def test_answers_are_normalised_as_the_protocol_says(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_unanimous_references_are_compared_verbatim() -> None:
    assert vqa_accuracy("Yes", ["yes"] * 10) == 0.0
    assert vqa_accuracy("yes.", ["yes"] * 10) == 0.0
    assert vqa_accuracy(" yes\n", ["yes"] * 10) == 1.0
    assert vqa_accuracy("Yes.", ["yes"] * 9 + ["no"]) == 1.0


def test_the_evaluator_of_2017_always_normalises_the_prediction_and_hardly_the_references() -> None:
    assert vqa_accuracy("Yes.", ["yes"] * 10, "2017") == 1.0
    assert vqa_accuracy("two", ["two"] * 10, "2017") == 0.0  # "2" against "two"
    assert vqa_accuracy("two", ["2"] * 5 + ["two"] * 5, "2017") == 1.0
    assert vqa_accuracy("ping pong", ["ping-pong"] * 9 + ["tennis"], "2017") == 1.0
    assert vqa_accuracy("the cat", ["the cat"] * 9 + ["dog"], "2017") == 0.0


@given(st.lists(st.sampled_from(["cat", "dog", "two cats"]), min_size=1, max_size=12), st.sampled_from(["cat", "dog"]))
def test_accuracy_is_the_mean_over_references_left_out(references: list[str], answer: str) -> None:
    each = [
        min(1.0, sum(other == answer for j, other in enumerate(references) if j != i) / 3)
        for i in range(len(references))
    ]
    assert accuracy_of_matches(references.count(answer), len(references)) == pytest.approx(sum(each) / len(each))


@given(st.text(st.sampled_from(list(";/[]\"{}()=+\\_-><@`,?!.' 01a")), max_size=15))
def test_punctuation_goes_sign_by_sign_as_the_protocol_says(text: str) -> None:
    text = text.strip()
    expected = text
    for sign in ';/[]"{}()=+\\_-><@`,?!':
        deleted = f"{sign} " in text or f" {sign}" in text or re.search("[0-9],[0-9]", text)
        expected = expected.replace(sign, "" if deleted else " ")
    words = re.sub(r"\.(?![0-9])", "", expected).split()
    assert normalise(text) == " ".join(word for word in words if word != "a")


@given(st.text(max_size=40))
def test_any_text_can_be_normalised(text: str) -> None:
    assert normalise(text) == normalise(text).strip()


def test_a_question_without_references_is_refused() -> None:
    with pytest.raises(ValueError, match="no reference"):
        vqa_accuracy("yes", [])
