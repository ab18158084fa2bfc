"""Lists of captions and pictures, one pair a line, in both forms in which people have CC3M (protocol 2.1, 3.7).

Lines are split at the tab and nowhere else (`gill_bench.datasets.tables`). The authors read the file with pandas'
defaults, where a lone quotation mark swallows lines and a caption "NA" becomes "nan" (protocol 2.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gill_bench.datasets.files import file_name
from gill_bench.datasets.tables import read_table
from gill_bench.errors import InputError

HEADER = ["caption", "image"]
URL_HEADER = ["caption", "url"]
_LABELS = 3  # more fields of a line of CC3M's edition with labels: labels, their ids, confidences


class CaptionPair(NamedTuple):
    """One line: a caption, and the file name of its picture, or its URL."""

    caption: str
    image: str


def read_pairs(file: Path) -> list[CaptionPair]:
    """Read a list as the authors' `cc3m_train.tsv`: the header `caption<TAB>image`, then one pair a line.

    Returns:
        All pairs, in the order of the file; repeated pictures stay.

    Raises:
        InputError: Missing, empty, not UTF-8, without the header, or a line is malformed; names file and line.
    """
    rows = read_table(file)
    if not rows or rows[0] != HEADER:
        found = "\t".join(rows[0]) if rows else ""
        raise InputError(f"{file}, line 1: expected the header 'caption<TAB>image', found {found[:80]!r}")
    pairs = [_pair(file, number, row, "image") for number, row in enumerate(rows[1:], start=2)]
    if not pairs:
        raise InputError(f"{file}: has no pairs, only the header")
    for number, pair in enumerate(pairs, start=2):
        file_name(pair.image, f"{file}, line {number}: image")
    return pairs


def read_captioned_urls(file: Path) -> list[CaptionPair]:
    """Read an official list, such as `Validation_GCC-1.1.0-Validation.tsv`: caption<TAB>URL a line.

    Returns:
        Captions with their URLs, in the order of the file. The header `caption<TAB>url`, which people put before it for
        img2dataset, is passed over, and so are the three fields of labels in CC3M's edition with labels.

    Raises:
        InputError: Missing, empty, not UTF-8, or a line is malformed; names file and line.
    """
    rows = read_table(file)
    first = 2 if rows and [field.lower() for field in rows[0]] == URL_HEADER else 1
    pairs = []
    for number, row in enumerate(rows[first - 1 :], start=first):
        pair = _pair(file, number, row[:2] if len(row) == 2 + _LABELS else row, "URL")
        if "://" not in pair.image:
            raise InputError(f"{file}, line {number}: expected a URL after the tab, found {pair.image[:80]!r}")
        pairs.append(pair)
    if not pairs:
        raise InputError(f"{file}: has no pairs; expected lines caption<TAB>URL")
    return pairs


def _pair(file: Path, number: int, fields: list[str], second: str) -> CaptionPair:
    if len(fields) != 2 or not all(field.strip() for field in fields):
        found = "\t".join(fields)
        raise InputError(f"{file}, line {number}: expected caption<TAB>{second}, found {found[:80]!r}")
    return CaptionPair(*fields)
