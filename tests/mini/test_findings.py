"""The paper's findings on the mini world's test split, and that they stay as they were measured.

`tests/reference/mini_findings.json` holds the gains of `gill-bench run vist --seeds 2` with the shipped weights; how it
was made stands in it. The two models that the paper's findings compare are run, by the README's first command.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gill_bench.cli import main
from tests.conftest import ROOT
from tests.support.first_command import run_of_first_command

REFERENCE = json.loads((ROOT / "tests" / "reference" / "mini_findings.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], dict[str, float]]:
    out = tmp_path_factory.mktemp("findings")
    shutil.copytree(run_of_first_command()[0], out / "run")  # five seeds, of which the first two are taken
    words = ["run", "vist", "--models", "gill,stable-diffusion", "--seeds", "2", "--device", "cpu"]
    assert main([*words, "--out", str(out / "run")]) == 0
    capture = pytest.MonkeyPatch()
    printed: list[str] = []
    capture.setattr("typer.echo", lambda text, **_: printed.append(text))
    try:
        assert main(["mini", "findings", str(out / "run"), "--json"]) == 0
    finally:
        capture.undo()
    return {(finding["better"], finding["than"], finding["metric"]): finding for finding in json.loads(printed[-1])}


@pytest.mark.slow
@pytest.mark.parametrize(
    "expected", REFERENCE["findings"], ids=lambda finding: f"{finding['better']} over {finding['than']}"
)
def test_a_finding_shows_as_it_was_measured(
    findings: dict[tuple[str, str, str], dict[str, float]], expected: dict[str, str | float]
) -> None:
    measured = findings[str(expected["better"]), str(expected["than"]), str(expected["metric"])]
    assert measured["low"] > 0
    assert measured["gain"] == pytest.approx(expected["gain"], abs=REFERENCE["tolerance"])


def test_the_embedded_weights_are_those_that_were_measured(tmp_path: Path) -> None:
    from gill_bench.mini.embedded import weights_folder
    from gill_bench.weights.find import Weights

    assert Weights("mini", weights_folder() / "gill-mini").digest()[:8] == REFERENCE["weights"]["gill-mini"]
