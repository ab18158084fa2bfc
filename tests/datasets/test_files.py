"""Finding annotation files and taking records apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.datasets.files import file_name, find_split_file, integer_of, list_of, read_lines, text_of
from gill_bench.errors import InputError


def test_the_first_folder_with_the_file_counts_and_other_splits_are_offered(tmp_path: Path) -> None:
    for name in ("in/a_val.json", "a_val.json", "a_test-large.json", "a_val_dense.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    file = find_split_file(tmp_path, "val", "a_{split}.json", ("in", "."), "download it")
    assert file == tmp_path / "in/a_val.json"
    with pytest.raises(InputError, match=r"no in/a_train.json; there is test-large, val: choose with --split"):
        find_split_file(tmp_path, "train", "a_{split}.json", ("in", "."), "download it")
    with pytest.raises(InputError, match=r"no b_train.json; download it"):
        find_split_file(tmp_path, "train", "b_{split}.json", (".",), "download it")
    with pytest.raises(InputError, match="no such folder"):
        find_split_file(tmp_path / "gone", "train", "b_{split}.json", (".",), "download it")


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])).filter(
            lambda text: not text.endswith("\r") and not text.startswith("\ufeff")
        )
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_any_lines_are_read_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "lines"
    file.write_bytes("".join(line + end for line in lines).encode())
    assert read_lines(file) == lines


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], r"here: expected an object, found \[\]"),
        ({}, "here.key: the field is missing"),
        ({"key": None}, "here.key: expected an integer, found None"),
        ({"key": True}, "here.key: expected an integer, found True"),
        ({"key": 1.0}, "here.key: expected an integer, found 1.0"),
        ({"key": "1" * 500}, "here.key: expected an integer, found '1{79}$"),
    ],
)
def test_a_field_that_is_no_integer_is_refused(record: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        integer_of(record, "key", "here")


@pytest.mark.parametrize(
    ("value", "message"),
    [(1, "expected text, found 1"), (" \t", "expected text"), ("a\ud800", "half of a surrogate pair")],
)
def test_a_field_that_is_no_text_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"here.key: {message}"):
        text_of({"key": value}, "key", "here")
    assert text_of({"key": " "}, "key", "here", may_be_blank=True) == " "


def test_a_field_that_is_no_list_is_refused() -> None:
    wrong: list[Any] = [[], {}, {"key": "text"}, None]
    for value in wrong:
        with pytest.raises(InputError, match="here: key 'key': expected a list"):
            list_of(value, "key", "here")


@pytest.mark.parametrize(
    "name", ["../a.jpg", "/etc/passwd", "a/../../b.jpg", "x" * 300, "ä" * 200, "a\0b", ".", "./", ""]
)
def test_file_names_that_are_refused(name: str) -> None:
    problems = "leaves the folder|longer than the 255 bytes|control characters|is the folder itself"
    with pytest.raises(InputError, match=rf"here: .*({problems})"):
        file_name(name, "here")


def test_file_names_that_are_taken() -> None:
    for name in ("a.jpg", "sub/a.jpg", "..a.jpg", "a b ü.jpg"):
        assert file_name(name, "here") == name
