"""Reading lists with tabs between their fields: raw lists as they are published, and lists that pandas has written.

In a raw list a quotation mark is a character like any other. pandas' `to_csv` puts quotation marks around a field that
contains one, or on request around every field, and doubles the quotation marks in the field. Whether pandas wrote a
file is decided from all its lines together.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gill_bench.datasets.files import read_lines
from gill_bench.errors import InputError

_QUOTED = re.compile(r'"(?:[^"]|"")*"')  # a field as pandas quotes it


def read_table(file: Path) -> list[list[str]]:
    """The fields of each line, from line 1; empty lines at the end do not count.

    Raises:
        InputError: The file cannot be read, or only some of its lines can have been written by pandas.
    """
    lines = read_lines(file)
    while lines and not lines[-1]:
        lines.pop()
    rows = [line.split("\t") for line in lines]
    if _is_quoted(file, rows):
        return [
            [field[1:-1].replace('""', '"') if _QUOTED.fullmatch(field) else field for field in row] for row in rows
        ]
    return rows


def _is_quoted(file: Path, rows: Sequence[Sequence[str]]) -> bool:
    """Whether pandas wrote these rows with its quotation marks."""
    doubled = raw = 0
    for number, row in enumerate(rows, start=1):
        for field in row:
            if '"' not in field:
                continue
            if not _QUOTED.fullmatch(field):
                raw = raw or number
            elif '""' in field[1:-1]:
                doubled = doubled or number
    if doubled and raw:
        raise InputError(
            f"{file}, line {doubled}: a field with doubled quotation marks, as pandas writes them, but line {raw} has a"
            " single one, as pandas never does: write all lines in one way"
        )
    every = bool(rows) and all(_QUOTED.fullmatch(field) for row in rows for field in row)
    return bool(doubled) or every
