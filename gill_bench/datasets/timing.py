"""Captions of COCO as prompts for measuring speed (paper App. E.4); each caption is one measurement."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Turn
from gill_bench.datasets.coco import read_coco
from gill_bench.datasets.contexts import TextContext, context_named
from gill_bench.datasets.options import Count

REPEATS = Count("repeats", 20)
"""The number of measurements, besides the calls that warm up."""
OPTIONS = (REPEATS,)
_CONTEXTS = (
    TextContext("text", "text-seconds"),
    TextContext("picture", "image-seconds"),
    TextContext("search", "search-seconds"),
)


def context(name: str) -> TextContext:
    """The context `text` (continue a caption), `picture` (generate a picture of it) or `search` (find a candidate)."""
    return context_named(name, _CONTEXTS)


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read one caption for each measurement: the first caption of each picture, in the order of the file.

    `gill_bench.datasets.coco.read_coco` describes the folder, in which pictures are not needed.
    """
    images = read_coco(folder, split, need_pictures=False)[: REPEATS.of(options)]
    return Dataset([Example(str(image.id), str(image.id), (Turn(image.captions[0].text.strip()),)) for image in images])
