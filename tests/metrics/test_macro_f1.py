"""Macro F1 as a task's metric: what is counted, by which rule, against scikit-learn."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.metrics import f1_score

from gill_bench.errors import InputError
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.macro_f1 import NAME, check, scores, trivial
from tests.support.metric_cases import Case

HARNESS = (
    Case(
        outputs={"1": 0.2, "2": 0.9, "3": 0.7},
        references={
            name: Reference((), {"label": label, "part": "test", "votes": label})
            for name, label in (("1", "gen"), ("2", "ret"), ("3", "gen"))
        },
        asks="decisions",
    ),
)
LABELS = ["ret", "gen", "ret", "gen", "gen", "ret", "gen", "gen"]
PARTS = ["train"] * 3 + ["test"] * 5
REFERENCES = {
    str(index): Reference((), {"label": label, "part": part, "votes": ",".join([label] * 4 + ["gen"])})
    for index, (label, part) in enumerate(zip(LABELS, PARTS, strict=True))
}


def scores_by_metric(outputs: dict[str, Any], asks: str, context: str) -> dict[str, Score]:
    return {score.metric: score for score in scores(outputs, REFERENCES, {}, Question(asks, context, 0))}


def sklearn(truth: list[str], predicted: list[str]) -> float:
    return float(f1_score(truth, predicted, average="macro", labels=["gen", "ret"], zero_division=0))


def test_only_the_test_part_counts() -> None:
    chances = dict(zip(REFERENCES, [0.0, 1.0, 0.0, 0.9, 0.2, 0.8, 0.4, 0.1], strict=True))
    by_metric = scores_by_metric(chances, "decisions", "decide")
    assert by_metric[NAME].value == sklearn(LABELS[3:], ["ret", "gen", "ret", "gen", "gen"])
    assert {(score.scored, score.where) for score in by_metric.values()} == {(5, ("part", "test"))}
    assert list(by_metric) == [NAME, f"{NAME}-min", f"{NAME}-max", "decision-accuracy"]
    assert by_metric["decision-accuracy"].each == {"3": 0.0, "4": 1.0, "5": 1.0, "6": 1.0, "7": 1.0}
    extremes = [by_metric[f"{NAME}-{end}"].value for end in ("min", "max")]
    # The worst threshold is one that only the wrong 0.9 exceeds.
    assert extremes == [sklearn(LABELS[3:], ["ret"] + ["gen"] * 4), by_metric[NAME].value]


def test_similarities_have_one_threshold() -> None:
    similarities = dict(zip(REFERENCES, [0.3, 0.1, 0.3, 0.1, 0.1, 0.3, 0.1, 0.1], strict=True))
    by_metric = scores_by_metric(similarities, "embeddings", "heuristic")
    assert by_metric[f"{NAME}-max"].value == 1.0  # any threshold from 0.1 to 0.3
    assert by_metric[NAME].value == sklearn(LABELS[3:], ["gen"] * 5)
    assert by_metric[f"{NAME}-min"].value == sklearn(LABELS[3:], ["ret"] * 5)


def test_prompts_without_an_output_are_not_scored() -> None:
    by_metric = scores_by_metric({"4": 0.1, "5": 0.9, "0": 0.5}, "features", "classifier")
    assert {score.scored for score in by_metric.values()} == {2}
    assert [
        (score.metric, score.value, score.scored)
        for score in scores_by_metric({"0": 0.5}, "features", "classifier").values()
    ] == [(NAME, None, 0)]


@pytest.mark.parametrize(("context", "names"), [("test-labels", slice(3, 8)), ("all-labels", slice(0, 8))])
def test_rules_over_labels_are_scored_as_scikit_learn_does(context: str, names: slice) -> None:
    truth = LABELS[names]

    def of(rule: str) -> dict[str, Score]:
        return scores_by_metric(dict.fromkeys(REFERENCES, rule), "nothing", context)

    assert of("always-retrieve")[NAME].value == sklearn(truth, ["ret"] * len(truth))
    assert of("always-generate")[NAME].value == sklearn(truth, ["gen"] * len(truth))
    last = sklearn(truth, ["gen"] * len(truth))
    assert of("human")[NAME].value == pytest.approx((4 + last) / 5)
    random = of("random")
    assert 0 < (random[NAME].value or 0) < 1
    assert not random[f"{NAME}-of-a-draw-sd"].higher_is_better
    assert random[NAME].scored == len(truth)


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InputError, match="macro-f1: no rule named 'coin'; there is always-retrieve"):
        scores_by_metric(dict.fromkeys(REFERENCES, "coin"), "nothing", "test-labels")


def test_macro_f1_has_no_settings() -> None:
    with pytest.raises(InputError, match="macro-f1: settings: "):
        check(None, {"threshold": 0.4}, "")


def test_a_random_decision_is_the_trivial_answer_but_not_for_rules() -> None:
    chances = dict.fromkeys(REFERENCES, 0.7)
    question = Question("decisions", "decide", 0)
    random = trivial(chances, REFERENCES, {}, question)
    assert random is not None
    values = {
        score.metric: score.value
        for score in scores(random.outputs, REFERENCES, {}, question._replace(asks=random.asks))
    }
    assert values[NAME] == scores_by_metric(dict.fromkeys(REFERENCES, "random"), "nothing", "test-labels")[NAME].value
    assert values["decision-accuracy"] == pytest.approx((4 * 1 / 3 + 2 / 3) / 5)  # two of three in training are "ret"
    assert trivial(random.outputs, REFERENCES, {}, Question("nothing", "test-labels", 0)) is None
