"""The Python interface: about twenty names, and what they return."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL.Image import Image

import gill_bench
from gill_bench.errors import InputError
from tests.runs.helpers import CARDS, results
from tests.stories import small_vist

NAMES = [
    "Decider",
    "Decision",
    "GeneratedImage",
    "GillBenchError",
    "ImageGenerator",
    "ImageRetriever",
    "InputError",
    "Noise",
    "Prompt",
    "Report",
    "Run",
    "TextGenerator",
    "TextScorer",
    "compare",
    "list_models",
    "list_tasks",
    "load_run",
    "report",
    "run",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> gill_bench.Run:
    return gill_bench.run(
        "vist",
        out=tmp_path_factory.mktemp("api") / "run",
        models=["noisy", "noisy-text"],
        contexts=["1-caption", "5-captions"],
        seeds=2,
        limit=6,
        data=str(small_vist()),
        split="test",
        device="cpu",
        card_folders=(CARDS,),
    )


def test_the_public_names_are_these() -> None:
    assert gill_bench.__all__ == NAMES
    assert all(getattr(gill_bench, name) is not None for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = gill_bench.runn


def test_importing_it_costs_nothing() -> None:
    code = "import sys, gill_bench; print(sorted({'torch', 'pandas', 'numpy', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_results_are_the_rows(run: gill_bench.Run) -> None:
    frame = run.results
    rows = results(run.folder)["rows"]
    assert frame.to_dict("records") == [{name: row[name] for name in frame.columns} for row in rows]
    assert len(frame) == 2 * 2 * 2 * 2  # models, contexts, seeds, metrics


def test_samples_have_their_values_and_pictures(run: gill_bench.Run) -> None:
    frame = run.samples("vist", "noisy", "1-caption", pictures=True)
    assert len(frame) == 6 * 2
    assert all(isinstance(picture, Image) for picture in frame["picture"])
    assert all(Path(file).is_file() for file in frame["file"])
    means = frame.groupby("seed")["lpips[mini]"].mean()
    chosen = run.results.query("model == 'noisy' and context == '1-caption' and metric == 'lpips[mini]'")
    assert means.tolist() == pytest.approx(chosen.sort_values("seed")["value"].tolist())
    assert len(run.samples()) == 6 * 2 * 2 * 2
    assert run.samples(model="absent").empty


def test_reports_and_comparisons(run: gill_bench.Run) -> None:
    report = run.report("table-1", compare=True)
    assert "Table 1" in str(report)
    assert report._repr_markdown_().count("|") > 10
    assert gill_bench.report(run.folder, tables=["table-1"]).render("csv") == run.report("table-1").render("csv")
    frame = gill_bench.compare(f"{run.folder}:noisy-text", f"{run.folder}:noisy")
    assert len(frame) == 2 * 2
    assert {"p", "p_holm", "difference_mean", "difference_low", "better"} <= set(frame.columns)


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="results"):
        gill_bench.load_run(tmp_path)
    assert "vist" in gill_bench.list_tasks()
    assert "gill" in gill_bench.list_models()
