"""Answer ranking as a task's metric, against loops over rounds and options, and on real dense annotations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from gill_bench.cards.find import Value
from gill_bench.errors import InputError
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.answer_ranking import check, scores, signature, trivial
from tests.support.metric_cases import Case

HARNESS = (
    Case(
        outputs={"1:1": [-1.0, -2.0, -2.0], "1:2": [-3.0, -1.0, -2.0]},
        references={
            "1:1": Reference((), {"gt_index": "1"}),
            "1:2": Reference((), {"gt_index": "0", "dense": "yes", "relevance": "[0.5, 1.0, 0.0]"}),
        },
        asks="scores",
    ),
)
DIALOGS, ROUNDS, OPTIONS = 4, 10, 12
RNG = np.random.default_rng(0)
TABLE = RNG.integers(0, 20, (DIALOGS, ROUNDS, OPTIONS)) / 4  # with ties
TRUE = RNG.integers(0, OPTIONS, (DIALOGS, ROUNDS))
RELEVANCE = RNG.integers(0, 3, (DIALOGS, OPTIONS)) / 2
DENSE = np.array([7, 1, 10, 4])
QUESTION = Question("scores", "history", 0)


def reference(dialog: int, round_index: int) -> Reference:
    facts = {"round": str(round_index + 1), "gt_index": str(TRUE[dialog, round_index])}
    facts |= {"dense_round": str(DENSE[dialog]), "relevance": json.dumps(RELEVANCE[dialog].tolist())}
    return Reference((), facts | ({"dense": "yes"} if round_index + 1 == DENSE[dialog] else {}))


REFERENCES = {f"{d}:{r + 1}": reference(d, r) for d in range(DIALOGS) for r in range(ROUNDS)}
OUTPUTS = {f"{d}:{r + 1}": TABLE[d, r].tolist() for d in range(DIALOGS) for r in range(ROUNDS)}


def scores_by_metric(outputs: dict[str, Any], references: dict[str, Reference], **settings: Value) -> dict[str, Score]:
    return {score.metric: score for score in scores(outputs, references, settings, QUESTION)}


def by_loops(shift: int) -> dict[str, float]:
    """Compute every number option by option; NDCG is of the round that comes `shift` rounds after the annotated one."""
    ranks = []  # the ranks that ties leave to chance, of each round
    for dialog in range(DIALOGS):
        for number in range(ROUNDS):
            own = TABLE[dialog, number, TRUE[dialog, number]]
            better = sum(score > own for score in TABLE[dialog, number])
            ranks.append(range(better + 1, better + 1 + sum(score == own for score in TABLE[dialog, number])))
    values = {f"recall@{k}": np.mean([np.mean([rank <= k for rank in each]) for each in ranks]) for k in (1, 5, 10, 20)}
    values["mrr"] = np.mean([np.mean([1 / rank for rank in each]) for each in ranks])
    values["mean-rank"] = np.mean([np.mean(each) for each in ranks])
    flat = TABLE.reshape(-1, OPTIONS)
    gains = []
    for dialog in range(DIALOGS):
        scored = flat[dialog * ROUNDS + DENSE[dialog] - 1 + shift]
        k = int((RELEVANCE[dialog] > 0).sum())
        gains.append(ndcg_score(RELEVANCE[dialog : dialog + 1], scored[None], k=k))
    return {**{name: float(value) for name, value in values.items()}, "ndcg": float(np.mean(gains))}


@pytest.mark.parametrize("compat", [False, True])
def test_answer_ranking_against_loops(compat: bool) -> None:
    values = by_loops(int(compat))
    by_metric = scores_by_metric(OUTPUTS, REFERENCES, dense_round="fromage_compat" if compat else "corrected")
    assert {metric: score.value for metric, score in by_metric.items()} == pytest.approx(values)
    assert (by_metric["ndcg"].scored, by_metric["ndcg"].where) == (DIALOGS, ("dense", "yes"))
    assert by_metric["ndcg"].each is not None
    assert list(by_metric["ndcg"].each) == ["0:7", "1:1", "2:10", "3:4"]
    assert {by_metric[metric].scored for metric in values if metric != "ndcg"} == {DIALOGS * ROUNDS}
    assert [metric for metric, score in by_metric.items() if not score.higher_is_better] == ["mean-rank"]


def test_a_part_of_a_dialog_has_its_annotated_round() -> None:
    """A dialog is incomplete with `--limit`, or when another of its rounds failed."""
    some = dict(list(REFERENCES.items())[:17])
    outputs = {name: OUTPUTS[name] for name in some if name not in ("0:3", "1:5")}
    by_metric = scores_by_metric(outputs, some)
    whole = scores_by_metric(OUTPUTS, REFERENCES)["ndcg"].each
    assert whole is not None
    assert by_metric["ndcg"].each == {name: whole[name] for name in ("0:7", "1:1")}
    assert by_metric["recall@1"].scored == 15
    del outputs["0:7"]
    assert by_metric["ndcg"].scored - scores_by_metric(outputs, some)["ndcg"].scored == 1
    del outputs["1:1"]
    assert (scores_by_metric(outputs, some)["ndcg"].value, scores_by_metric(outputs, some)["ndcg"].scored) == (None, 0)


def test_the_script_scores_the_next_stored_round_after_the_annotated_one() -> None:
    some = dict(list(REFERENCES.items())[:7])
    outputs = {name: OUTPUTS[name] for name in some}
    cut = scores_by_metric(outputs, some, dense_round="fromage_compat")["ndcg"]
    assert (cut.value, cut.scored, cut.left_out) == (None, 0, 1)
    some["0:8"] = REFERENCES["0:8"]
    assert scores_by_metric(outputs, some, dense_round="fromage_compat")["ndcg"].scored == 0
    outputs["0:8"] = OUTPUTS["0:8"]
    assert scores_by_metric(outputs, some, dense_round="fromage_compat")["ndcg"].scored == 1


def test_where_no_round_follows_the_script_stops_and_averages_the_rest() -> None:
    some = {name: round_reference for name, round_reference in REFERENCES.items() if not name.startswith("3:")}
    whole = scores_by_metric({name: OUTPUTS[name] for name in some}, some, dense_round="fromage_compat")["ndcg"]
    assert (whole.scored, whole.left_out) == (2, 1)
    assert whole.each is not None
    assert whole.value == pytest.approx(np.mean(list(whole.each.values())))
    assert list(whole.each) == ["0:7", "1:1"]
    assert scores_by_metric(OUTPUTS, REFERENCES)["ndcg"].left_out == 0


def test_without_annotations_there_is_no_gain() -> None:
    plain = {
        name: Reference((), {"gt_index": round_reference.facts["gt_index"]})
        for name, round_reference in REFERENCES.items()
    }
    assert "ndcg" not in scores_by_metric(OUTPUTS, plain)


def test_rows_without_scored_outputs_have_the_same_names() -> None:
    nothing = scores_by_metric({}, REFERENCES)
    whole = scores_by_metric(OUTPUTS, REFERENCES)
    assert {m: (score.higher_is_better, score.where) for m, score in nothing.items()} == {
        m: (score.higher_is_better, score.where) for m, score in whole.items()
    }
    assert {(score.value, score.scored) for score in nothing.values()} == {(None, 0)}


def test_settings_of_answer_ranking_are_in_the_signature_and_checked() -> None:
    assert signature({}, "") != signature({"dense_round": "fromage_compat"}, "")
    with pytest.raises(InputError, match="answer-ranking: settings: dense_round"):
        check(None, {"dense_round": "next"}, "")


def test_published_annotations_give_a_perfect_ndcg_in_their_own_round_alone(real_data: Path) -> None:
    """Annotated rounds have a perfect NDCG by their own relevances, and not by the relevances of another round."""
    folder = real_data / "visdial"
    annotated = json.loads((folder / "visdial_1.0_val_dense_annotations.json").read_text(encoding="utf-8"))
    dialogs = json.loads((folder / "visdial_1.0_val.json").read_text(encoding="utf-8"))["data"]["dialogs"]
    relevance = {
        f"{annotation['image_id']}:{annotation['round_id']}": json.dumps(annotation["gt_relevance"])
        for annotation in annotated
    }
    references = {}
    for dialog in dialogs:
        for number, turn in enumerate(dialog["dialog"], 1):
            name = f"{dialog['image_id']}:{number}"
            dense = {"dense": "yes", "relevance": relevance[name]} if name in relevance else {}
            references[name] = Reference((), {"gt_index": str(turn["gt_index"]), **dense})
    outputs = {
        name: np.eye(100)[int(round_reference.facts["gt_index"])].tolist()
        for name, round_reference in references.items()
    }
    exact = scores_by_metric(outputs, references)
    assert (exact["recall@1"].value, exact["mean-rank"].value, exact["mrr"].value) == (1, 1, 1)
    for name, round_reference in references.items():
        if round_reference.facts.get("dense") == "yes":
            outputs[name] = json.loads(round_reference.facts["relevance"])
    perfect, shifted = (
        scores_by_metric(outputs, references, dense_round=rule)["ndcg"] for rule in ("corrected", "fromage_compat")
    )
    assert perfect.value == pytest.approx(1)
    assert shifted.value is not None
    assert shifted.value < 0.9
    assert (perfect.scored, shifted.scored, shifted.left_out) == (
        97,
        96,
        1,
    )  # the last dialog's last round is annotated


def test_a_random_order_is_the_trivial_answer() -> None:
    outputs = {"1:0": [0.0, -1.0, -2.0, -3.0], "1:1": [-3.0, -1.0, -2.0, 0.0]}
    references = {name: Reference((), {"gt_index": "0"}) for name in outputs}
    alike = trivial(outputs, references, {}, Question("scores", "history", 0))
    by_metric = {
        score.metric: score.value for score in scores(alike.outputs, references, {}, Question("scores", "history", 0))
    }
    assert by_metric["recall@1"] == 0.25
    assert by_metric["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert by_metric["mean-rank"] == 2.5
