"""The Python interface: about twenty names, and what they return."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from PIL.Image import Image

import gill_bench
from gill_bench import api
from gill_bench.errors import InputError
from gill_bench.planning.plan import Plan, make_plan
from gill_bench.planning.request import RunRequest
from tests.support.runs import CARDS, results
from tests.support.stories import small_vist

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
    "leaderboard",
    "list_models",
    "list_tasks",
    "load_run",
    "report",
    "run",
    "status",
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


def html_of(shown: Any) -> str:
    """The HTML that a notebook shows."""
    html: str = shown._repr_html_()
    return html


def test_the_public_names_are_these() -> None:
    assert gill_bench.__all__ == NAMES
    assert all(getattr(gill_bench, name) is not None for name in NAMES)
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        _ = gill_bench.runn


def test_importing_the_package_imports_no_heavy_library() -> None:
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
    with pytest.raises(InputError, match="has no model 'absent'"):
        run.samples(model="absent")
    assert html_of(frame.head(3)).count("<img") == 3
    assert html_of(frame.head(0)).count("<tr>") == 1


def test_reports_and_comparisons_are_returned_as_objects_and_frames(run: gill_bench.Run) -> None:
    report = run.report("table-1", compare=True)
    assert "Table 1" in str(report)
    assert report._repr_markdown_().count("|") > 10
    assert gill_bench.report(run.folder, tables=["table-1"]).render("csv") == run.report("table-1").render("csv")
    frame = gill_bench.compare(f"{run.folder}:noisy-text", f"{run.folder}:noisy")
    assert len(frame) == 2 * 2
    assert {"p", "p_holm", "difference_mean", "difference_low", "better"} <= set(frame.columns)


def test_a_notebook_shows_tables_and_figures(run: gill_bench.Run) -> None:
    html = run._repr_html_()
    assert html.count("<table>") == len(run.report().tables)
    assert "noisy" in html
    figure = run.report("figure-6")._repr_html_()
    assert figure.count('<img src="data:image/svg+xml;base64,') == 1
    assert run.report("table-1")._repr_html_().count("<img") == 0


def test_reports_are_saved_in_the_format_of_their_name(run: gill_bench.Run, tmp_path: Path) -> None:
    report = run.report("table-1", compare=True)
    for name, start in (
        ("a.tex", b"\\begin{table}"),
        ("a.html", b"<div"),
        ("a.parquet", b"PAR1"),
        ("a.csv", b"table,"),
    ):
        report.save(tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    run.report("figure-6").save(tmp_path / "f.png")
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="its ending names no format"):
        report.save(tmp_path / "a.txt")
    with pytest.raises(InputError, match="none is among table-1"):
        report.save(tmp_path / "a.svg")


def test_wrong_names_are_answered_with_the_nearest(run: gill_bench.Run) -> None:
    with pytest.raises(InputError, match=r"has no model 'noisi'; did you mean 'noisy'"):
        run.samples("vist", "noisi")
    with pytest.raises(InputError, match=r"has no task 'visual'"):
        run.samples("visual")
    with pytest.raises(InputError, match=r"run\(\): no option 'limt'; did you mean 'limit'"):
        gill_bench.run("vist", limt=3)  # type: ignore[arg-type]  # as a type checker says, too


def test_every_option_has_a_type_and_is_documented() -> None:
    parameters = inspect.signature(gill_bench.run).parameters
    text = inspect.getdoc(gill_bench.run) or ""
    assert {field.name for field in fields(RunRequest)} == set(parameters) - {"unknown"}
    for name, parameter in parameters.items():
        assert parameter.annotation is not inspect.Parameter.empty
        assert f"\n    {name}: " in text, name
    assert get_type_hints(gill_bench.run, localns=vars(api))["seeds"] == int | Sequence[int] | None


def test_names_are_listed_without_importing_them() -> None:
    code = "import sys, gill_bench; print(set(gill_bench.__all__) <= set(dir(gill_bench)), 'torch' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "True False\n"


def plan_of(out: Path, **options: Any) -> Plan:
    usual = {"data": small_vist(), "split": "test", "device": "cpu", "card_folders": CARDS, "limit": 3}
    return make_plan(RunRequest.of(["vist"], out, **{**usual, **options}), dry=True)


def test_strings_lists_and_mappings_mean_what_they_say(tmp_path: Path) -> None:
    plan = plan_of(
        tmp_path,
        models="noisy",
        contexts="1-caption",
        seeds=[3, 1],
        settings={"noisy.side": 16, "vist": {"caption_join": "segments"}},
    )
    [planned] = plan.cells
    assert planned.cell.sample_seeds == (3, 1)
    assert planned.cell.recipe["settings"]["side"] == 16
    assert planned.cell.recipe["prompt"]["caption_join"] == "segments"
    as_texts = plan_of(
        tmp_path,
        models=["noisy"],
        contexts=["1-caption"],
        seeds=range(2),
        settings=["noisy.side=16", "vist.caption_join=segments"],
    )
    assert as_texts.cells[0].cell.recipe == planned.cell.recipe
    assert as_texts.cells[0].cell.sample_seeds == (0, 1)
    for options, message in (
        ({"seeds": [1, 1]}, "each once"),
        ({"seeds": []}, "one seed or more"),
        ({"seeds": [-1]}, "expected a whole number"),
        ({"settings": {"noisy.side": [1]}}, r"noisy.side: \[1\]: expected a number"),
        ({"settings": {"nois.side": 1}}, "neither a task nor a model"),
    ):
        with pytest.raises(InputError, match=message):
            plan_of(tmp_path, models="noisy", **options)


def test_a_run_knows_its_status_and_failures(
    run: gill_bench.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run.status.state == "finished"
    assert len(run.failures) == 0
    monkeypatch.setenv("NOISY_FAIL_ON", "went to the")
    broken = gill_bench.run(
        "vist", out=tmp_path, models="noisy", contexts="1-caption", seeds=[0, 5], limit=4, card_folders=CARDS, workers=1
    )
    frame = broken.failures
    assert broken.status.state == "unfinished"
    assert set(frame["seed"]) == {0, 5}
    assert set(frame["outcome"]) == {"failed"}
    assert all("planted failure" in reason for reason in frame["reason"])
    assert len(frame) == broken.status.cells[0].failed
    assert list(frame.columns[:5]) == ["task", "model", "context", "example", "seed"]


def test_the_page_is_written_beside_the_units_or_elsewhere(run: gill_bench.Run, tmp_path: Path) -> None:
    assert run.page(tmp_path / "seen") == tmp_path / "seen" / "index.html"
    assert "<title>run · gill-bench</title>" in (tmp_path / "seen" / "index.html").read_text("utf-8")
    assert run.page() == run.folder / "page" / "index.html"


def test_a_comparison_has_numbers_where_numbers_are_meant(run: gill_bench.Run) -> None:
    frame = gill_bench.compare(run.folder, run.folder)
    kinds = {name: str(frame[name].dtype) for name in ("better", "p", "p_mcnemar", "effect_size", "wins")}
    assert kinds == {
        "better": "boolean",
        "p": "float64",
        "p_mcnemar": "float64",
        "effect_size": "float64",
        "wins": "int64",
    }


def test_the_papers_numbers_lie_in_intervals_or_not(run: gill_bench.Run) -> None:
    cells = [cell for table in run.report(compare=True).tables for line in table.lines for cell in line.cells]
    assert {cell.published_in_interval for cell in cells} >= {None}
    measured = [cell for cell in cells if cell.mean is not None]
    assert measured
    for cell in measured:
        assert cell.interval is not None
        assert cell.interval.low <= (cell.mean or 0.0) <= cell.interval.high


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="this is not the folder of a run"):
        gill_bench.load_run(tmp_path)
    assert "vist" in gill_bench.list_tasks()
    assert "gill" in gill_bench.list_models()
