"""Reading text and JSON files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json, read_json_value, read_text


def test_text_is_read_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes("\ufeffä\r\nb\rc\u2028\n".encode())
    assert read_text(tmp_path / "a") == "ä\r\nb\rc\u2028\n"


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b'\xef\xbb\xbf{"a": [1]}')
    assert read_json(tmp_path / "a") == {"a": [1]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": [1, 2', r"cannot be read as JSON: line 1, column 12: .*cut or damaged"),
        (b"", "line 1, column 1"),
        (b'{"a": 1, "a": 1}', "an object has the key 'a' twice"),
        (b"[" * 200_000, "nested too deeply"),
        (b"[" + b"1" * 5000 + b"]", "cannot be read as JSON: Exceeds the limit"),
        ('{"a": "ä"}'.encode("utf-16"), "not UTF-8 at byte 0"),
    ],
)
def test_malformed_json_is_refused_with_line_and_column(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_json_value(file)
    assert str(file) in str(caught.value)


def test_json_that_is_no_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[1]")
    assert read_json_value(tmp_path / "a") == [1]
    with pytest.raises(InputError, match="expected a JSON object at the top, found list"):
        read_json(tmp_path / "a")


def test_a_missing_file_and_a_folder_in_its_place_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gone: no such file"):
        read_text(tmp_path / "gone")
    with pytest.raises(InputError, match="cannot be read: a folder, where a file is expected"):
        read_text(tmp_path)
