"""Caption-image pairs as the authors' `cc3m_train.tsv`: a header `caption<TAB>image`, then one pair a line.

Lines are split at the tab and nowhere else. The authors read the file with pandas' defaults, where a lone quotation
mark swallows lines and a caption "NA" becomes "nan" (protocol 2.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gill_bench.errors import InputError

HEADER = "caption\timage"


class CaptionPair(NamedTuple):
    """One line: a caption, and the file name of its picture."""

    caption: str
    image: str


def read_pairs(file: Path) -> list[CaptionPair]:
    """Read all pairs, in the order of the file; repeated pictures stay.

    Raises:
        InputError: Missing, empty, not UTF-8, without the header, or a line is malformed; names file and line.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file; expected lines caption<TAB>image") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    header, *lines = text.split("\n")
    if header.rstrip("\r") != HEADER:
        raise InputError(f"{file}, line 1: expected the header 'caption<TAB>image', found {header[:80]!r}")
    if lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise InputError(f"{file}: has no pairs, only the header")
    return [_pair(file, number, line.rstrip("\r")) for number, line in enumerate(lines, start=2)]


def _pair(file: Path, number: int, line: str) -> CaptionPair:
    fields = line.split("\t")
    if len(fields) != 2 or not all(field.strip() for field in fields):
        raise InputError(f"{file}, line {number}: expected caption<TAB>image, found {line[:80]!r}")
    caption, image = fields
    if Path(image).is_absolute() or ".." in Path(image).parts:
        raise InputError(f"{file}, line {number}: image {image[:80]!r} leaves the folder of the pictures")
    return CaptionPair(caption, image)
