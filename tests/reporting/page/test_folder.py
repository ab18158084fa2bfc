"""The folder of a page: what is kept, what is renewed, what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from gill_bench.errors import InputError
from gill_bench.reporting.page.folder import MARKER, PageFolder, Shelf, script_json
from tests.reporting.page.content import picture, value_of


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_scripts_are_inert_and_mean_what_was_written(value: object) -> None:
    text = script_json(value)
    assert text.isascii()
    assert not set("<>&") & set(text)
    assert json.loads(text) == value


def test_equal_values_are_one_file(tmp_path: Path) -> None:
    folder = PageFolder(tmp_path / "page")
    name = folder.data({"a": "</script>"})
    assert folder.data({"a": "</script>"}) == name
    assert value_of(tmp_path / "page", name) == {"a": "</script>"}
    assert len(list((tmp_path / "page" / "data").iterdir())) == 1


def test_a_folder_with_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds files that are not of a page"):
        PageFolder(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_in_the_way_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "page").write_text("a file")
    with pytest.raises(InputError, match="cannot write a page there"):
        PageFolder(tmp_path / "page")


def test_a_sweep_removes_what_an_earlier_page_had_and_nothing_of_the_user(tmp_path: Path) -> None:
    first = PageFolder(tmp_path)
    old = first.data("old")
    first.page("gallery-old.html", "old")
    first.page("index.html", "old")
    (tmp_path / "data" / "notes.txt").write_text("mine")
    (tmp_path / "talk.html").write_text("mine")
    second = PageFolder(tmp_path)
    new = second.data("new")
    second.page("index.html", "new")
    assert (tmp_path / f"{old}.js").is_file()  # until the page that names it is replaced
    second.sweep()
    there = {file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*") if file.is_file()}
    assert there == {MARKER, "index.html", f"{new}.js", "data/notes.txt", "talk.html"}


def test_pictures_are_read_again_only_when_they_change(tmp_path: Path) -> None:
    file = picture(tmp_path / "a.png", 1)

    def write() -> str:
        shelf = Shelf()
        shelf.add(file)
        return shelf.write(PageFolder(tmp_path / "page"), lambda _: None)[0]

    name = write()
    before = (tmp_path / "page" / f"{name}.js").stat().st_mtime_ns
    assert write() == name
    assert (tmp_path / "page" / f"{name}.js").stat().st_mtime_ns == before
    picture(file, 2, side=40)
    assert write() != name


def test_a_shelf_numbers_pictures_and_keeps_those_of_an_example_together(tmp_path: Path) -> None:
    shelf = Shelf(at_once=10)
    files = [picture(tmp_path / f"{number}.png", number) for number in range(25)]
    assert [shelf.add(file) for file in files] == list(range(25))
    assert shelf.add(files[3]) == 3
    assert shelf.add(None) is None
    assert shelf.add(tmp_path / "gone.png") is None
    steps: list[int] = []
    names = shelf.write(PageFolder(tmp_path / "page"), steps.append)
    assert shelf.size == 20
    assert [len(value_of(tmp_path / "page", name)) for name in names] == [20, 5]  # type: ignore[arg-type]
    assert sum(steps) == 25


def test_pictures_that_thumbnails_reduce_are_in_the_page_in_full_size(tmp_path: Path) -> None:
    large, small = picture(tmp_path / "large.png", 1, side=300), picture(tmp_path / "small.png", 2)
    shelf = Shelf()
    for file in (small, large):
        shelf.add(file)
    folder = PageFolder(tmp_path / "page")
    first, second = shelf.write_originals(folder)
    assert first is None
    assert second is not None
    written = tmp_path / "page" / second
    with Image.open(written) as opened:
        assert opened.size == (300, 300)
    before = written.stat().st_mtime_ns
    assert shelf.write_originals(PageFolder(tmp_path / "page")) == [None, second]
    assert written.stat().st_mtime_ns == before
    PageFolder(tmp_path / "page").sweep()
    assert not written.exists()
