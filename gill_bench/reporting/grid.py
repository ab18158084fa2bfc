"""A grid of pictures: a row for each example, with its prompt, its target, and each model's picture."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

_SIDE = 112
_GAP = 8
_HEADING = 40
_LINE = 13
_CHARACTERS = 18
_LINES = 4


class GridRow(NamedTuple):
    """One row of the grid: for each column a picture, or None, and the words under it."""

    cells: Sequence[tuple[Image.Image | None, str]]


def draw_grid(headings: Sequence[str], rows: Sequence[GridRow]) -> Image.Image:
    """Draw a grid.

    Args:
        headings: A heading for each column.
        rows: The rows, with a cell for each heading. Pictures are scaled to the same side, small ones without
            smoothing; words are wrapped, and cut with "..." after four lines.

    Returns:
        The grid as an RGB picture.
    """
    font = ImageFont.load_default(11)
    lines = max((len(_wrap(words)) for row in rows for _, words in row.cells), default=0)
    height = _SIDE + lines * _LINE + 2 * _GAP
    grid = Image.new("RGB", (len(headings) * (_SIDE + _GAP) + _GAP, _HEADING + len(rows) * height), "white")
    draw = ImageDraw.Draw(grid)
    for column, heading in enumerate(headings):
        draw.multiline_text((_x(column), 4), "\n".join(_wrap(heading)), fill="black", font=font)
    for number, row in enumerate(rows):
        top = _HEADING + number * height
        for column, (picture, words) in enumerate(row.cells):
            if picture is not None:
                small = max(picture.size) < _SIDE
                method = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
                grid.paste(picture.resize((_SIDE, _SIDE), method), (_x(column), top))
            draw.multiline_text(
                (_x(column), top + _SIDE + 2), "\n".join(_wrap(words)), fill="black", font=font, spacing=1
            )
    return grid


def _x(column: int) -> int:
    return _GAP + column * (_SIDE + _GAP)


def _wrap(words: str) -> list[str]:
    return textwrap.wrap(words, _CHARACTERS, max_lines=_LINES, placeholder=" ...")
