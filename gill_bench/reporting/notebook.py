"""A data frame of samples that a notebook shows with their pictures."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import Any

import pandas as pd
from PIL import Image

_MOST_ROWS = 30
_SIDE = 112  # pixels
_MOST_CHARACTERS = 240


class Samples(pd.DataFrame):
    """A data frame of samples; a notebook shows its first 30 rows, with small pictures and all text escaped."""

    @property
    def _constructor(self) -> type[Samples]:
        return Samples

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(str(name))}</th>" for name in ("", *self.columns))
        shown = self.head(_MOST_ROWS)
        rows = [
            f"<tr><th>{escape(str(name))}</th>{''.join(f'<td>{_cell(value)}</td>' for value in values)}</tr>"
            for name, values in zip(shown.index, shown.itertuples(index=False, name=None), strict=True)
        ]
        count = f"<p>{len(shown)} of {len(self)} rows, {len(self.columns)} columns</p>"
        return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>{count}"


def _cell(value: Any) -> str:
    if isinstance(value, Image.Image):
        return thumbnail(value)
    if isinstance(value, float):
        return "" if value != value else f"{value:.6g}"
    text = "" if value is None else str(value)
    return escape(text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} ...")


def thumbnail(picture: Image.Image) -> str:
    """A picture as an HTML element, at most 112 pixels wide and high."""
    small = picture.convert("RGB")
    small.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    small.save(out, "PNG")
    width, height = small.size
    source = base64.b64encode(out.getvalue()).decode()
    return f'<img src="data:image/png;base64,{source}" width="{width}" height="{height}" alt="picture">'
