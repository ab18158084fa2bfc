"""VQA accuracy of models' texts: the answer in a text, and means over kinds of questions."""

from __future__ import annotations

import pytest

from gill_bench.cards.find import Value
from gill_bench.errors import InputError
from gill_bench.metrics import Question, Reference, Score, vqa
from tests.support.metric_cases import Case

HARNESS = (
    Case(
        outputs={"1": "Yes.", "2": "two"},
        references={
            "1": Reference(["yes"] * 9 + ["no"], {"answer_type": "yes/no"}),
            "2": Reference(["three"] * 7 + ["two"] * 3, {"answer_type": "number"}),
        },
        asks="texts",
    ),
)
QUESTION = Question("texts", "question", 0)


@pytest.mark.parametrize(
    ("text", "sentence", "magma", "verbatim"),
    [
        (" Two dogs, I think.\nQ: and?", "two dogs", "Two dogs,", " Two dogs, I think.\nQ: and?"),
        ("\n\nyes\nno", "yes", "yes no", "\n\nyes\nno"),
        ("A: red", "a: red", "A: red", "A: red"),
        (".hidden", "", ".hidden", ".hidden"),
        ("", "", "", ""),
        ("1.5 metres", "1", "1.5 metres", "1.5 metres"),
        ("IT'S red! yes", "it's red", "IT'S red!", "IT'S red! yes"),
    ],
)
def test_an_answer_is_taken_out_of_a_models_text(text: str, sentence: str, magma: str, verbatim: str) -> None:
    references = ["red", "two dogs"]
    assert vqa.answer_of(text, "sentence", references) == sentence
    assert vqa.answer_of(text, "magma", references) == magma
    assert vqa.answer_of(text, "verbatim", references) == verbatim


def reference(answers: list[str], kind: str, first: str) -> Reference:
    return Reference(answers, {"answer_type": kind, "question_type": first})


REFERENCES = {
    "1": reference(["yes"] * 10, "yes/no", "is"),
    "2": reference(["two"] * 3 + ["three"] * 7, "number", "how many"),
    "3": reference(["red"] * 2 + ["blue"] * 8, "other", "what"),
    "4": reference(["no"] * 10, "yes/no", "is"),
}


def scores(outputs: dict[str, str], **settings: Value) -> dict[str, Score]:
    return {score.metric: score for score in vqa.scores(outputs, REFERENCES, settings, QUESTION)}


def test_accuracy_is_averaged_over_all_and_over_each_kind_of_question() -> None:
    by_metric = scores({"1": "yes", "2": "2", "3": "red", "4": "yes"})
    assert {metric: score.value for metric, score in by_metric.items()} == pytest.approx(
        {
            "vqa-accuracy": (1 + 0.9 + 0.6 + 0) / 4,
            "vqa-accuracy/answer_type/yes/no": 0.5,
            "vqa-accuracy/answer_type/number": 0.9,
            "vqa-accuracy/answer_type/other": 0.6,
            "vqa-accuracy/question_type/is": 0.5,
            "vqa-accuracy/question_type/how many": 0.9,
            "vqa-accuracy/question_type/what": 0.6,
        }
    )
    assert by_metric["vqa-accuracy/question_type/is"].where == ("question_type", "is")
    assert by_metric["vqa-accuracy"].each == {"1": 1.0, "2": 0.9, "3": 0.6, "4": 0.0}


def test_kinds_of_questions_without_an_answer_have_a_row_without_a_value() -> None:
    by_metric = scores({"2": "2"})
    assert (by_metric["vqa-accuracy"].value, by_metric["vqa-accuracy"].scored) == (0.9, 1)
    for kind in ("answer_type/yes/no", "answer_type/other", "question_type/is", "question_type/what"):
        assert (by_metric[f"vqa-accuracy/{kind}"].value, by_metric[f"vqa-accuracy/{kind}"].scored) == (None, 0)


def test_settings_reach_the_evaluator() -> None:
    shouted = {"1": "Yes."}  # where all references agree, the newer evaluator normalises nothing
    assert scores(shouted, answer="verbatim", evaluator="2021")["vqa-accuracy"].value == 0
    assert scores(shouted, answer="verbatim", evaluator="2017")["vqa-accuracy"].value == 1
    signatures = {
        vqa.signature(settings, "")
        for settings in ({}, {"evaluator": "2017"}, {"answer": "magma"}, {"answer": "verbatim"})
    }
    assert len(signatures) == 4
    assert "looks at the references" in vqa.signature({"answer": "magma"}, "")


@pytest.mark.parametrize("settings", [{"evaluator": "2020"}, {"answer": "first"}, {"punctuation": True}])
def test_wrong_settings_of_vqa_accuracy_are_refused(settings: dict[str, Value]) -> None:
    with pytest.raises(InputError, match="vqa-accuracy: settings: "):
        vqa.check(None, settings, "")


def test_the_most_frequent_answer_is_the_trivial_one() -> None:
    references = {
        "1": Reference(["yes"] * 10, {}),
        "2": Reference(["two"] * 6 + ["yes"] * 4, {}),
        "3": Reference(["two"] * 10, {}),
    }
    outputs = {"1": "no", "2": "two"}  # the third question is not scored
    trivial = vqa.trivial(outputs, references, {}, Question("texts", "question", 0))
    assert trivial is not None
    assert trivial.outputs == {"1": "yes", "2": "yes"}
    assert trivial.answer == '"yes" to every question'
