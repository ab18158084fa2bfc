"""Finding annotation files and reading fields of their records, with errors that name file, record and field."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError
from gill_bench.storage.names import path_problem
from gill_bench.storage.reading import has_controls, read_text

_SPLIT = re.compile(r"[A-Za-z0-9-]+")
_SPLIT_GIVEN = re.compile(r"(?!.*\.\.)[A-Za-z0-9._-]+")


def find_split_file(folder: Path, split: str, pattern: str, subfolders: Sequence[str], download: str) -> Path:
    """Find the file of a split.

    Args:
        folder: The data set's folder.
        split: The split's name.
        pattern: The name of the file, with `{split}` in it.
        subfolders: The subfolders in which the file may be; the first that has it counts.
        download: The advice for a folder without a file of any split.

    Raises:
        InputError: There is no such file; the message has the splits whose files are there.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (given by --data)")
    if not _SPLIT_GIVEN.fullmatch(split):
        raise InputError(f"split {shown(split)}: expected letters, digits, '-', '_' and '.', as in a file's name")
    name = pattern.format(split=split)
    for subfolder in subfolders:
        if (folder / subfolder / name).exists():  # reading checks later whether it is a regular file
            return folder / subfolder / name
    before, after = pattern.split("{split}")
    files = [
        file.name
        for subfolder in subfolders
        for file in (folder / subfolder).glob(f"{before}*{after}")
        if file.is_file()
    ]
    splits = {name.removeprefix(before).removesuffix(after) for name in files}
    existing = ", ".join(sorted(filter(_SPLIT.fullmatch, splits)))
    hint = f"there is {existing}: choose with --split" if existing else download
    raise InputError(f"{folder}: no {Path(subfolders[0]) / name}; {hint}")


def read_lines(file: Path) -> list[str]:
    """The lines of a text file, split at line feeds alone; a carriage return before a line feed is removed."""
    lines = [line.removesuffix("\r") for line in read_text(file).split("\n")]
    return lines if lines[-1] else lines[:-1]


def is_encodable(text: str) -> bool:
    """Whether a text can be written to a file: JSON can hold halves of surrogate pairs, which UTF-8 cannot."""
    try:
        return text.isascii() or bool(text.encode())
    except UnicodeEncodeError:
        return False


def list_of(value: Any, key: str, where: str) -> list[Any]:
    """The list under a key of an object.

    Raises:
        InputError: The value is no object, or has no list under the key.
    """
    items = value.get(key) if isinstance(value, dict) else None
    if not isinstance(items, list):
        raise InputError(f"{where}: key {key!r}: expected a list, as in the official files")
    return items


def integer_of(record: Any, key: str, where: str) -> int:
    """The integer under a key of a record.

    Raises:
        InputError: The record is no object, or has no integer under the key.
    """
    value = record.get(key) if isinstance(record, dict) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    _refuse_missing(record, key, where)
    raise InputError(f"{where}.{key}: expected an integer, found {shown(value)}")


def text_of(record: Any, key: str, where: str, *, may_be_blank: bool = False) -> str:
    """The text under a key of a record.

    Raises:
        InputError: The record is no object, or has no text under the key, or a text that cannot be written to a file.
    """
    value = record.get(key) if isinstance(record, dict) else None
    if isinstance(value, str) and (may_be_blank or value.strip()):
        if value.isascii() or is_encodable(value):
            return value
        raise InputError(f"{where}.{key}: half of a surrogate pair, which is no text: {shown(value)}")
    _refuse_missing(record, key, where)
    raise InputError(f"{where}.{key}: expected text, found {shown(value)}")


def file_name(name: str, where: str) -> str:
    """Check that a file name stays in its folder, and return it.

    Args:
        name: The file name; it may have folders in it.
        where: File and record, for the error.

    Raises:
        InputError: The name is absolute, with `..` or control characters, longer than names can be, or the folder
            itself (".").
    """
    problem = path_problem(name) or ("" if Path(name).name else "is the folder itself, not a file in it")
    if problem:
        raise InputError(f"{where}: {name[:80]!r} {problem}")
    return name


def identifier(text: str, where: str) -> str:
    """Check that an id or name can be shown in a terminal, and return it.

    Raises:
        InputError: The text has characters that control a terminal.
    """
    if has_controls(text):
        raise InputError(f"{where}: {shown(text)} has control characters, which no name or id has")
    return text


def shown(value: Any) -> str:
    """The beginning of a value, for an error message."""
    return repr(value)[:80]


def _refuse_missing(record: Any, key: str, where: str) -> None:
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected an object, found {shown(record)}")
    if key not in record:
        raise InputError(f"{where}.{key}: the field is missing")
