"""Lists of captions and pictures, one pair a line, in both forms in which CC3M is distributed (protocol 2.1, 3.7).

Lines are split at the tab and nowhere else (`gill_bench.datasets.tables`). The authors read the file with pandas'
defaults, with which a single quotation mark joins lines and a caption "NA" becomes "nan" (protocol 2.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gill_bench.datasets.files import file_name
from gill_bench.datasets.tables import read_table
from gill_bench.errors import InputError

HEADER = ["caption", "image"]
URL_HEADER = ["caption", "url"]
_LABELS = 3  # additional fields of each line in CC3M's edition with labels: labels, their ids, confidences


class CaptionPair(NamedTuple):
    """One line of a list: a caption, and the file name or the URL of its picture."""

    caption: str
    image: str


def read_pairs(file: Path) -> list[CaptionPair]:
    """Read a list like the authors' `cc3m_train.tsv`: the header `caption<TAB>image`, then one pair a line.

    Returns:
        All pairs, in the order of the file; repeated pictures stay.

    Raises:
        InputError: The file is missing, empty, not UTF-8 or without the header, or a line is malformed; the message has
            file and line.
    """
    rows = read_table(file)
    if not rows or rows[0] != HEADER:
        line = "\t".join(rows[0]) if rows else ""
        raise InputError(f"{file}, line 1: expected the header 'caption<TAB>image', found {line[:80]!r}")
    pairs = [_pair(file, number, row, "image") for number, row in enumerate(rows[1:], start=2)]
    if not pairs:
        raise InputError(f"{file}: has no pairs, only the header")
    for number, pair in enumerate(pairs, start=2):
        file_name(pair.image, f"{file}, line {number}: image")
    return pairs


def read_captioned_urls(file: Path) -> list[CaptionPair]:
    """Read an official list, such as `Validation_GCC-1.1.0-Validation.tsv`, with caption<TAB>URL in each line.

    Returns:
        Captions with their URLs, in the order of the file. The header `caption<TAB>url`, which users add for
        img2dataset, is skipped, and so are the three fields of labels in CC3M's edition with labels.

    Raises:
        InputError: The file is missing, empty or not UTF-8, or a line is malformed; the message has file and line.
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
        line = "\t".join(fields)
        raise InputError(f"{file}, line {number}: expected caption<TAB>{second}, found {line[:80]!r}")
    return CaptionPair(*fields)
