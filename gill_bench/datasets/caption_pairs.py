"""Lists of captions and pictures, one pair a line, in both forms in which people have CC3M (protocol 2.1, 3.7).

Lines are split at the tab and nowhere else. The authors read the file with pandas' defaults, where a lone quotation
mark swallows lines and a caption "NA" becomes "nan" (protocol 2.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gill_bench.datasets.files import file_name, read_lines
from gill_bench.errors import InputError

HEADER = "caption\timage"
URL_HEADER = "caption\turl"


class CaptionPair(NamedTuple):
    """One line: a caption, and the file name of its picture."""

    caption: str
    image: str


def read_pairs(file: Path) -> list[CaptionPair]:
    """Read a list as the authors' `cc3m_train.tsv`: the header `caption<TAB>image`, then one pair a line.

    Returns:
        All pairs, in the order of the file; repeated pictures stay.

    Raises:
        InputError: Missing, empty, not UTF-8, without the header, or a line is malformed; names file and line.
    """
    lines = read_lines(file)
    if not lines or lines[0] != HEADER:
        found = lines[0] if lines else ""
        raise InputError(f"{file}, line 1: expected the header 'caption<TAB>image', found {found[:80]!r}")
    pairs = [_pair(file, number, line, "image") for number, line in enumerate(lines[1:], start=2)]
    if not pairs:
        raise InputError(f"{file}: has no pairs, only the header")
    for number, pair in enumerate(pairs, start=2):
        file_name(pair.image, f"{file}, line {number}: image")
    return pairs


def read_captioned_urls(file: Path) -> list[str]:
    """Read the captions of an official list, such as `Validation_GCC-1.1.0-Validation.tsv`: caption<TAB>URL a line.

    Returns:
        The captions, in the order of the file. The header `caption<TAB>url`, which people put before it for
        img2dataset, is passed over.

    Raises:
        InputError: Missing, empty, not UTF-8, or a line is malformed; names file and line.
    """
    lines = read_lines(file)
    first = 2 if lines and lines[0] == URL_HEADER else 1
    pairs = [_pair(file, number, line, "URL") for number, line in enumerate(lines[first - 1 :], start=first)]
    if not pairs:
        raise InputError(f"{file}: has no pairs; expected lines caption<TAB>URL")
    for number, pair in enumerate(pairs, start=first):
        if "://" not in pair.image:
            raise InputError(f"{file}, line {number}: expected a URL after the tab, found {pair.image[:80]!r}")
    return [pair.caption for pair in pairs]


def _pair(file: Path, number: int, line: str, second: str) -> CaptionPair:
    fields = line.split("\t")
    if len(fields) != 2 or not all(field.strip() for field in fields):
        raise InputError(f"{file}, line {number}: expected caption<TAB>{second}, found {line[:80]!r}")
    return CaptionPair(*fields)
