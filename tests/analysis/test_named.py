"""Several runs of one model in one table, one gallery and one comparison, under names of what differs."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import gill_bench
from gill_bench.analysis.galleries import galleries, model_tests
from gill_bench.analysis.named import given_names, named_runs, side_of
from gill_bench.cards.find import Cards
from gill_bench.cli import main
from gill_bench.errors import InputError
from gill_bench.rundir.load import read_results, read_spec
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.rows import Results
from gill_bench.rundir.writer import write_results
from tests.support.made_up_run import made_up
from tests.support.runs import half, whole

RANDOM = np.random.default_rng(0)
VALUES = RANDOM.random((30, 2))


def signed(folder: Path, values: np.ndarray, model_signature: str) -> Path:
    """A made-up run of the model `m` with a signature of its own."""
    made_up(folder, values)
    return sign(folder, model_signature)


def sign(folder: Path, model_signature: str) -> Path:
    results = read_results(folder / "results.json")
    rows = tuple(replace(row, model_signature=model_signature) for row in results.rows)
    write_results(folder, replace(results, rows=rows))
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    """Two runs of a model, of which the second is better, with two values of a setting."""
    return [
        signed(tmp_path / "first", VALUES, "adapter:x|guidance_scale:7.5|weights.llm:12345678"),
        signed(tmp_path / "second", VALUES + 0.5, "adapter:x|guidance_scale:3.0|weights.llm:12345678"),
    ]


def models_of(runs: list[Path], names: dict[str, str] | None = None) -> list[str]:
    readers, _ = named_runs(runs, names or {}, Cards())
    return [model for reader in readers for model in dict.fromkeys(row.model for row in reader.results.rows)]


def test_names_are_made_of_the_settings_that_differ(runs: list[Path]) -> None:
    assert models_of(runs) == ["m, guidance 7.5", "m, guidance 3.0"]


def test_the_title_of_a_card_stands_in_the_name(tmp_path: Path) -> None:
    runs = []
    for number, guidance in enumerate(("7.5", "3.0")):
        folder = signed(tmp_path / str(number), VALUES, f"guidance_scale:{guidance}")
        results = read_results(folder / "results.json")
        write_results(folder, replace(results, rows=tuple(replace(row, model="gill") for row in results.rows)))
        runs.append(folder)
    readers, cards = named_runs(runs, {}, Cards())
    assert [row.model for reader in readers for row in reader.results.rows[:1]] == [
        "GILL, guidance 7.5",
        "GILL, guidance 3.0",
    ]
    assert cards.model("GILL, guidance 3.0").title == "GILL, guidance 3.0"
    assert cards.model("GILL, guidance 3.0").capabilities == cards.model("gill").capabilities


def test_without_another_setting_the_name_of_the_run_tells_them_apart(tmp_path: Path) -> None:
    runs = [signed(tmp_path / name, VALUES + number, "adapter:x") for number, name in enumerate(("one", "two"))]
    assert models_of(runs) == ["m, one", "m, two"]
    below = [signed(tmp_path / name / "same", VALUES + number, "adapter:x") for number, name in enumerate(("a", "b"))]
    assert models_of(below) == [f"m, {folder}" for folder in below]


def test_runs_that_share_a_setting_also_have_the_name_of_their_run(runs: list[Path], tmp_path: Path) -> None:
    third = signed(tmp_path / "third", VALUES + 1, "adapter:x|guidance_scale:3.0|weights.llm:12345678")
    assert models_of([*runs, third]) == ["m, guidance 7.5", "m, guidance 3.0, second", "m, guidance 3.0, third"]


def test_a_copy_has_the_name_of_its_original(runs: list[Path]) -> None:
    assert models_of([*runs, runs[0]]) == ["m, guidance 7.5", "m, guidance 3.0", "m, guidance 7.5"]


def test_the_same_numbers_need_no_names(runs: list[Path]) -> None:
    assert models_of([runs[0], runs[0]]) == ["m", "m"]


def test_a_table_has_a_line_for_each(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", *map(str, runs), "--format", "csv"]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    means = {line["model"]: float(line["mean"]) for line in lines}
    assert means == pytest.approx({"m, guidance 3.0": VALUES.mean() + 0.5, "m, guidance 7.5": VALUES.mean()})
    assert str(gill_bench.report(*runs)).count("guidance") >= 2


def test_given_names_choose_models(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["report", "--format", "csv", "--as", f"before={runs[0]}:m", "--as", f"after, b={runs[1]}"]
    assert main(words) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {line["model"] for line in lines} == {"before", "after, b"}
    assert models_of([runs[0]], {"after": f"{runs[1]}:m"}) == ["m", "after"]
    report = gill_bench.report(runs[0], names={"after": f"{runs[1]}:m"})
    assert {line.title for line in report.tables[0].lines} == {"m", "after"}


def test_a_comparison_shows_given_names(runs: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["compare", "cfg 7.5", "cfg 3", "--as", f"cfg 7.5={runs[0]}:m", "--as", f"cfg 3={runs[1]}:m"]
    assert main([*words, "--json"]) == 0
    assert '"cfg 7.5"' in capsys.readouterr().out
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert "cfg 7.5" in shown
    assert "cfg 3" in shown


def test_the_gallery_and_its_tests_have_both(runs: list[Path]) -> None:
    readers, _ = named_runs(runs, {}, Cards())
    (test,) = model_tests(readers)
    assert (test.models, test.better) == (("m, guidance 3.0", "m, guidance 7.5"), False)


def test_outputs_of_both_are_beside_each_other(tmp_path: Path) -> None:
    folders = [
        half(tmp_path / "plain", limit=2),
        half(tmp_path / "other", limit=2, settings=("noisy.guidance_scale=3",)),
    ]
    readers = [RunReader(folder, Results(()), read_spec(folder), unscored=True) for folder in folders]
    renamed = [reader.named({"noisy": name}) for reader, name in zip(readers, "AB", strict=True)]
    (gallery,) = galleries(renamed)
    assert gallery.models == ("A", "B")
    for example in gallery.examples:
        files = [output.picture for outputs in example.outputs.values() for output in outputs]
        assert all(file is not None and file.is_file() for file in files)
        assert [str(file).startswith(str(folders[0])) for file in files] == [True, True, False, False]


def test_a_page_has_both(tmp_path: Path) -> None:
    runs = [sign(whole(tmp_path / guidance), f"guidance_scale:{guidance}") for guidance in ("7.5", "3.0")]
    assert main(["report", *map(str, runs), f"--html={tmp_path / 'page'}"]) == 0
    pages = [(tmp_path / "page" / name).read_text() for name in ("index.html", "gallery-vist.html")]
    assert all(f"noisy, guidance {guidance}" in pages[0] for guidance in ("7.5", "3.0"))
    manifests = "".join(file.read_text() for file in (tmp_path / "page" / "data").iterdir())
    assert all(f'"noisy, guidance {guidance}"' in manifests for guidance in ("7.5", "3.0"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nothing", "expected NAME=RUN:MODEL"),
        ("=run:m", "expected NAME=RUN:MODEL"),
        ("name=", "expected NAME=RUN:MODEL"),
    ],
)
def test_names_of_another_form_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        given_names([text])


def test_names_of_runs_that_are_wrong_or_given_twice_are_refused(runs: list[Path]) -> None:
    with pytest.raises(InputError, match="given twice"):
        given_names(["a=b:c", "a=d:e"])
    with pytest.raises(InputError, match=r"no model 'n'; choose from 'm'"):
        models_of([], {"name": f"{runs[0]}:n"})
    with pytest.raises(InputError, match="another model has this name"):
        models_of([runs[0]], {"m": f"{runs[1]}:m"})
    with pytest.raises(InputError, match="control characters"):
        models_of([], {"a\x1b[2J": f"{runs[1]}:m"})
    with pytest.raises(InputError, match="no such folder"):
        side_of("a", {"a": "nowhere:m"})
