"""What speed is measured on (paper App. E.4): captions of COCO, one measurement each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.coco import read_coco
from gill_bench.datasets.contexts import context_named
from gill_bench.datasets.options import count
from gill_bench.interfaces import OutputKind


@dataclass(frozen=True, slots=True)
class TimingContext:
    """`text`: continuing the caption; `picture`: generating it; `search`: finding the most similar candidate."""

    name: str
    asks: OutputKind | None
    inputs: frozenset[str] = frozenset({"text"})

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt: the caption."""
        return (example.turns[0].text,)


_CONTEXTS = (
    TimingContext("text", "text-seconds"),
    TimingContext("picture", "image-seconds"),
    TimingContext("search", "search-seconds"),
)


def context(name: str) -> TimingContext:
    """`text`, `picture` or `search`.

    Raises:
        InputError: Another name.
    """
    return context_named(name, _CONTEXTS)


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read as many captions as measurements are wanted: the first of each picture, in the order of the file.

    Args:
        folder: As for `coco-captions`; its pictures are not needed.
        split: Such as "val2017".
        options: `repeats`: measurements, besides those that warm up.

    Raises:
        InputError: The captions are absent or malformed.
    """
    images = read_coco(folder, split, need_pictures=False)[: count(options, "repeats", 20)]
    return Dataset([Example(str(one.id), str(one.id), (Turn(one.captions[0].text.strip()),)) for one in images])
