from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gill_bench.cards.find import Cards
from gill_bench.cli.report import report
from gill_bench.errors import InputError
from gill_bench.reporting import tables_for
from gill_bench.reporting.merge import merge_results
from gill_bench.rundir.rows import Results, Row
from gill_bench.rundir.writer import write_results
from tests.support.made_up import row, usual_rows
from tests.support.runs import write_made_up_spec

app = typer.Typer()
app.command()(report)


def run_folder(folder: Path, rows: list[Row], notes: tuple[str, ...] = ()) -> Path:
    folder.mkdir()
    write_results(folder, Results(tuple(rows), (), notes))
    return folder


def test_the_same_number_twice_is_kept_once() -> None:
    rows = tuple(usual_rows())
    merged = merge_results([("a", Results(rows, (), ("n",))), ("b", Results(rows[:3], (), ("n", "m")))])
    assert len(merged.rows) == len(rows)
    assert merged.notes == ("n", "m")


def test_two_numbers_for_one_thing_are_refused() -> None:
    first = usual_rows()[0]
    with pytest.raises(InputError, match=r"value = 0.59 in run-a, 0.5 in run-b"):
        merge_results([("run-a", Results((first,))), ("run-b", Results((replace(first, value=0.5),)))])


def test_runs_computed_in_two_ways_are_refused_by_the_field_that_differs() -> None:
    first = usual_rows()[0]
    other = replace(first, signature="metric:clip-similarity|size:336", value=0.5)
    message = r"computed in two ways in run-a and run-b: size is '224' and '336'; report them separately"
    with pytest.raises(InputError, match=message):
        merge_results([("run-a", Results((first,))), ("run-b", Results((other,)))])


def test_rows_with_and_without_a_value_merge_or_clash_without_a_traceback() -> None:
    first = row("gill", "1-caption", 0, "lpips", None, n_scored=0)
    assert merge_results([("a", Results((first,))), ("b", Results((first,)))]).rows == (first,)


def test_several_runs_make_one_table(tmp_path: Path) -> None:
    rows = usual_rows()
    folders = [
        run_folder(tmp_path / "a", [item for item in rows if item.model == "gill"]),
        run_folder(tmp_path / "b", [item for item in rows if item.model != "gill"]),
    ]
    (table,) = tables_for(folders, Cards())
    assert table.name == "table-1"
    assert [line.model for line in table.lines] == ["stable-diffusion", "gill"]


def test_a_run_that_no_table_shows_gets_a_plain_one(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a", [row("gill", "7-captions", 0, "lpips", 0.5)])
    [table] = tables_for([folder], Cards())
    assert [(column.context, column.metric) for column in table.columns] == [("7-captions", "lpips")]
    assert [line.title for line in table.lines] == ["GILL"]
    with pytest.raises(InputError, match="table-1: shows nothing of the results"):
        tables_for([folder], Cards(), ["table-1"])


def test_a_run_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing was scored yet"):
        tables_for([run_folder(tmp_path / "a", [])], Cards())


def test_tables_of_an_unfinished_run_say_so(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a", usual_rows())
    cell = {"task": "vist", "model": "gill", "context": "1-caption", "seeds": [0, 1, 2]}
    write_made_up_spec(folder, [cell])
    [table] = tables_for([folder], Cards(), ["table-1"])
    assert any("UNFINISHED: vist/gill/1-caption" in note and note.endswith(" 2.") for note in table.warnings)
    (folder / "spec.json").write_text("{")
    with pytest.raises(InputError, match=r"spec.json: damaged"):
        tables_for([folder], Cards())


def test_a_model_that_was_run_in_two_ways_is_refused(tmp_path: Path) -> None:
    fifty_steps = row("gill", "1-caption", 0, "lpips", 0.5)
    nine_steps = row("gill", "5-captions", 0, "lpips", 0.5, model_signature="adapter:gill|steps:9")
    with pytest.raises(InputError, match=r"gill was run in two ways .*steps is '50' and '9'"):
        tables_for([run_folder(tmp_path / "a", [fifty_steps]), run_folder(tmp_path / "b", [nine_steps])], Cards())


def test_tables_of_a_limited_run_say_so(tmp_path: Path) -> None:
    rows = [replace(usual_row, n_available=91) for usual_row in usual_rows()]
    [table] = tables_for([run_folder(tmp_path / "a", rows)], Cards(), ["table-1"], compare=True)
    assert any("LIMITED: the data has 91 examples" in note for note in table.notes)
    assert any("only a part of the data was asked" in note for note in table.notes)


def test_no_run_and_no_results_are_input_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no run is given"):
        tables_for([], Cards())
    with pytest.raises(InputError, match="this is not the folder of a run"):
        tables_for([tmp_path], Cards())


def test_command_writes_data_to_stdout(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a", usual_rows())
    result = CliRunner().invoke(app, [str(folder), "--format", "csv"])
    assert result.exit_code == 0
    assert result.stdout.startswith("table,task,context,")


def test_command_takes_the_format_from_the_name_of_the_file(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a", usual_rows())
    result = CliRunner().invoke(app, [str(folder), "--compare", "paper", "--out", str(tmp_path / "t.tex")])
    assert (result.exit_code, result.stdout) == (0, "")
    assert (tmp_path / "t.tex").read_text(encoding="utf-8").startswith(r"\begin{table}")


def test_command_draws_a_figure(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "a", usual_rows())
    words = [str(folder), "--table", "figure-6", "--compare", "paper"]
    assert CliRunner().invoke(app, [*words, "--out", str(tmp_path / "f.svg")]).exit_code == 0
    assert "Figure 6" in (tmp_path / "f.svg").read_text(encoding="utf-8")
    result = CliRunner().invoke(app, [*words, "--format", "png"])
    assert result.stdout_bytes.startswith(b"\x89PNG")
    result = CliRunner().invoke(app, [str(folder), "--table", "table-1", "--out", str(tmp_path / "t.svg")])
    assert "none is among table-1" in str(result.exception)
    assert not (tmp_path / "t.svg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--compare", "other"], "expected 'paper'"),
        (["--json", "--format", "csv"], "contradict"),
        (["--format", "latx"], "did you mean 'latex'"),
        (["--out", "t.txt"], "its ending names no format"),
        (["--out", "absent/t.md"], "does not exist"),
        ([], "no run is given"),
    ],
)
def test_command_refuses_wrong_usage(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_a_table_that_compares_something_of_its_own_is_shown_too(tmp_path: Path) -> None:
    rows = [row(model, "5-captions-4-images", 0, "clip-similarity", 0.5) for model in ("gill", "gill-linear")]
    names = [table.name for table in tables_for([run_folder(tmp_path / "a", rows)], Cards())]
    assert names == ["table-1", "table-3"]


def test_unfinished_cells_are_named_under_the_tables_of_their_task(tmp_path: Path) -> None:
    rows = [*usual_rows(), row("gill", "caption", 0, "fid", 9.0, task="coco-fid")]
    folder = run_folder(tmp_path / "a", rows)
    cells = [
        {"task": task, "model": "gill", "context": context, "seeds": [0, 7]}
        for task, context in (("coco-fid", "caption"), ("visdial", "1-round"))
    ]
    write_made_up_spec(folder, cells)
    first, second = tables_for([folder], Cards())
    assert (first.name, second.name) == ("table-1", "table-8")
    assert [note.split(" was ")[0] for note in first.warnings] == ["UNFINISHED: visdial/gill/1-round"]
    assert [note.split(" was ")[0] for note in second.warnings] == [
        "UNFINISHED: coco-fid/gill/caption",
        "UNFINISHED: visdial/gill/1-round",
    ]
