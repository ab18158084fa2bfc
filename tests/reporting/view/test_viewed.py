"""A page that is written again as its run grows: nothing of before is read or drawn twice."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from gill_bench.analysis import galleries
from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.reporting.page import folder as page_folder
from gill_bench.reporting.view import viewed as module
from gill_bench.reporting.view.viewed import ViewedRun
from gill_bench.rundir import unit_memory
from tests.reporting.view.conftest import files_of, grow
from tests.support.runs import cut, whole


@pytest.fixture
def viewed(growing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ViewedRun:
    monkeypatch.setattr(module, "_REST", 0)
    return ViewedRun(growing, tmp_path / "page", Cards())


def counted(monkeypatch: pytest.MonkeyPatch, where: Any, name: str) -> list[Path]:
    """The first arguments with which a function is called from now on."""
    calls: list[Path] = []
    function = getattr(where, name)

    def count(first: Path, *others: Any) -> Any:
        calls.append(first)
        return function(first, *others)

    monkeypatch.setattr(where, name, count)
    return calls


def test_only_what_is_new_is_read_and_drawn(viewed: ViewedRun, growing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    units = counted(monkeypatch, unit_memory, "read_samples")
    thumbnails = counted(monkeypatch, page_folder, "data_uri")
    data = counted(monkeypatch, galleries, "_read_data")
    viewed.open()
    first = viewed.version
    assert len(units) == 1
    assert len(data) == 1
    viewed.renew()
    assert viewed.version == first
    before = list(units), len([file for file in thumbnails if growing in file.parents]), len(data)
    assert before[1] == 8
    grow(growing)
    written = files_of(growing)
    viewed.renew()
    assert viewed.version != first
    assert viewed.problem == ""
    new_units = units[len(before[0]) :]
    assert [unit.parent.name for unit in new_units] == ["5-captions"]
    new_pictures = [file for file in thumbnails if growing in file.parents][before[1] :]
    assert {file.parent for file in new_pictures} == set(new_units)
    assert len(new_pictures) == 8
    assert len(data) == 1
    assert files_of(growing) == written


def test_files_of_the_page_before_stay_for_browsers_that_show_it(viewed: ViewedRun, growing: Path) -> None:
    viewed.open()
    before = {file.name for file in (viewed.page / "data").iterdir()}
    grow(growing)
    viewed.renew()
    assert before < {file.name for file in (viewed.page / "data").iterdir()}


def test_tables_come_when_the_run_is_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REST", 0)
    run = whole(tmp_path / "run")
    results = run / "results.json"
    results.rename(tmp_path / "results.json")
    viewed = ViewedRun(run, tmp_path / "page", Cards())
    viewed.open()
    index = viewed.page / "index.html"
    assert "Table 1" not in index.read_text()
    assert (viewed.page / "gallery-vist.html").is_file()
    (tmp_path / "results.json").rename(results)
    viewed.renew()
    assert "Table 1" in index.read_text()


def test_a_run_without_any_unit_has_a_page(growing: Path, viewed: ViewedRun) -> None:
    shutil.rmtree(growing / "units")
    viewed.open()
    assert (viewed.page / "index.html").is_file()
    assert not list(viewed.page.glob("gallery-*.html"))


def test_a_page_that_cannot_be_written_stays_and_says_why(
    viewed: ViewedRun, growing: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    viewed.open()
    content = (growing / "spec.json").read_bytes()
    index = (viewed.page / "index.html").read_bytes()
    cut(growing / "spec.json")
    viewed.renew()
    viewed.renew()
    assert "spec.json" in viewed.problem
    assert (viewed.page / "index.html").read_bytes() == index
    assert capsys.readouterr().err.count("the page stays as it was") == 1
    (growing / "spec.json").write_bytes(content)
    viewed.renew()
    assert viewed.problem == ""


def test_viewing_a_folder_that_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        ViewedRun(tmp_path / "nothing", tmp_path / "page", Cards()).open()
