"""Findings are judged by stored values alone, each with its interval and a verdict."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gill_bench.analysis.findings import DESCRIBED, EXPECTED, ExpectedFinding, JudgedFinding, judge
from gill_bench.cards.find import Cards
from gill_bench.datasets import dataset
from gill_bench.datasets.controls import parse_context
from gill_bench.errors import InputError
from gill_bench.statistics.bootstrap import Interval
from tests.support.made_up_run import made_up

FINDING = ExpectedFinding("vist", ("gill", "5-captions"), ("gill", "1-caption"), "clip-similarity", "Table 1")


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.1, 0.3, "holds"), (-0.1, 0.3, "not shown"), (-0.3, -0.1, "opposite")]
)
def test_the_interval_decides(low: float, high: float, verdict: str) -> None:
    assert JudgedFinding(FINDING, Interval((low + high) / 2, low, high, 48, 24)).verdict == verdict


@pytest.mark.parametrize("finding", EXPECTED, ids=lambda finding: f"{finding.task}, {finding.better} > {finding.than}")
def test_every_finding_is_about_cells_that_a_run_can_have(finding: ExpectedFinding) -> None:
    cards = Cards()
    card = cards.task(finding.task)
    for model, context in finding.cells:
        assert cards.model(model).name == model
        assert parse_context(dataset(card.data.format), context).name == context


def test_a_table_of_the_issue_has_a_finding() -> None:
    assert {finding.task for finding in EXPECTED} == {
        "vist",
        "visdial",
        "visdial-answers",
        "visdial-retrieval",
        "vist-retrieval",
        "partiprompts",
        "coco-captions",
        "vqav2",
    }


def test_a_number_is_compared_with_its_trivial_value(tmp_path: Path) -> None:
    run = made_up(tmp_path, np.array([[0.5], [0.7], [0.9]] * 8), trivial=0.4)
    [judged] = judge([run], (ExpectedFinding("vist", ("m", "c"), None, "q", "a table"),))
    assert judged.gain.mean == pytest.approx(0.3)
    assert (judged.verdict, judged.trivial) == ("holds", "anything")


def test_a_finding_that_no_run_is_about_is_left_out(tmp_path: Path) -> None:
    run = made_up(tmp_path, np.array([[0.5], [0.7]]))
    with pytest.raises(InputError, match="has none of the models and contexts that the findings are about"):
        judge([run])
    described = ExpectedFinding("vist", ("m", "c"), None, "q", "a table", split=DESCRIBED)
    with pytest.raises(InputError, match="has none"):
        judge([run], (described,))
