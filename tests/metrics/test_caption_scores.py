"""Caption scores as a task's metric: the caption in a text, settings, and what is missing."""

from __future__ import annotations

import shutil

import pytest

from gill_bench.cards.find import Value
from gill_bench.errors import InputError
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.caption_scores import caption_of, check, scores, signature, trivial
from tests.support.metric_cases import Case

HARNESS = (
    Case(
        outputs={"1": "a dog on a beach", "2": "two squares"},
        references={"1": Reference(["a dog runs on a beach"], {}), "2": Reference(["two red squares"], {})},
        asks="texts",
        program="java",
    ),
)
QUESTION = Question("texts", "caption", 0)
REFERENCES = {
    "1": Reference(["a dog runs on a beach", "a brown dog on the sand"], {}),
    "2": Reference(["two red squares", "a pair of squares"], {}),
    "3": Reference(["nothing at all"], {}),
}
needs_java = pytest.mark.skipif(shutil.which("java") is None, reason="no Java on PATH")


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        (" a dog on a beach. It is", "a dog on a beach"),
        ("A. B. Smith", "A. B. Smith"),
        ("abcde. x", "abcde. x"),
        ("abcdef. x", "abcdef"),
        ("  abcde. x", "abcde. x"),  # places count from the first letter
        ("no period", "no period"),
        ("", ""),
    ],
)
def test_a_caption_is_taken_out_of_a_models_text(text: str, caption: str) -> None:
    assert caption_of(text) == caption


def scores_by_metric(outputs: dict[str, str], **settings: Value) -> dict[str, Score]:
    return {score.metric: score for score in scores(outputs, REFERENCES, settings, QUESTION)}


@needs_java
def test_only_captions_that_exist_are_scored() -> None:
    by_metric = scores_by_metric({"1": "a dog runs on a beach. It", "2": "two red squares"})
    assert (by_metric["bleu-4"].value, by_metric["rouge-l"].value) == pytest.approx((1.0, 1.0), abs=1e-6)
    assert {score.scored for score in by_metric.values()} == {2}
    assert by_metric["cider"].each is not None
    assert list(by_metric["cider"].each) == ["1", "2"]
    nothing = scores_by_metric({})
    assert list(nothing) == list(by_metric)
    assert {(score.value, score.scored) for score in nothing.values()} == {(None, 0)}


@needs_java
def test_settings_are_in_the_signature_and_checked() -> None:
    kinds = [signature(settings, "") for settings in ({}, {"meteor": "nltk"}, {"bleu": "torchmetrics"})]
    assert len(set(kinds)) == 3
    check(None, {"bleu": "torchmetrics"}, "")
    with pytest.raises(InputError, match="captions: settings: meteor"):
        check(None, {"meteor": "2"}, "")


def test_caption_scores_are_refused_before_a_run_without_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(InputError, match="no Java runtime on PATH"):
        check(None, {}, "")


def test_the_caption_of_another_picture_is_the_trivial_one() -> None:
    references = {name: Reference([f"caption of {name}", "another"], {}) for name in "abc"}
    others = trivial(dict.fromkeys("abc", ""), references, {}, Question("texts", "caption", 0))
    assert others is not None
    assert others.outputs == {"a": "caption of b", "b": "caption of c", "c": "caption of a"}
    assert trivial({"a": ""}, references, {}, Question("texts", "caption", 0)) is None
