"""The rows of data frames of samples and failures, and a data frame that a notebook shows with its pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from html import escape
from typing import Any

import pandas as pd
from PIL import Image

from gill_bench.rundir.load_units import read_picture
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Unmade
from gill_bench.storage.images import load_image

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


def sample_rows(stored: RunReader, cell: CellKey, pictures: bool) -> Iterator[dict[str, Any]]:
    """The rows of a cell in a table of samples: one per output, with a value of each metric of single examples.

    Args:
        stored: The run.
        cell: The key of the cell.
        pictures: Load the pictures, as PIL pictures in the column `picture`.
    """
    metrics = {metric: stored.values(cell, metric) for key, metric in stored.rows if key == cell}
    for sample in stored.samples(cell):
        example, seed = sample.key
        file = sample.picture
        row: dict[str, Any] = dict(zip(("task", "model", "context"), cell, strict=True))
        row |= {"example": example, "seed": seed, "cluster": sample.cluster}
        row |= {"prompt": sample.details.get("prompt"), **sample.output}
        if file is not None:
            row["file"] = file
            if pictures:
                row["picture"] = load_image(io.BytesIO(read_picture(file, sample.sha256)))
        for metric, values in metrics.items():
            if values is not None:
                row[metric] = values.by_seed.get(seed, {}).get(example)
        yield row


def failure_rows(item: Unmade) -> Iterator[dict[str, Any]]:
    """The rows of a group of failed examples in a table of failures: one per example and seed."""
    same = {name: getattr(item, name) for name in ("task", "model", "context", "outcome", "reason", "where", "record")}
    for example in item.examples:
        yield from ({**same, "example": example, "seed": seed} for seed in item.seeds)
