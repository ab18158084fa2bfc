"""COCO captioning: describe a picture; the references are its captions (protocol 3.10, paper Table 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.coco import read_coco
from gill_bench.datasets.contexts import context_named
from gill_bench.datasets.options import text
from gill_bench.interfaces import OutputKind

CAPTION_PROMPT = "A picture of"
"""What the authors give after the picture, in validation and by default."""


@dataclass(frozen=True, slots=True)
class PictureContext:
    """The picture, then the card's `caption_prompt`; where that is empty, the picture alone."""

    name: str = "caption"
    asks: OutputKind | None = None
    inputs: frozenset[str] = frozenset({"text", "image"})

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt: a picture, and a text if there is one."""
        picture = example.turns[0].picture
        assert picture is not None
        words = text(prompt, "caption_prompt", CAPTION_PROMPT)
        return (picture, words) if words else (picture,)


def context(name: str) -> PictureContext:
    """The context `caption`.

    Raises:
        InputError: Another name.
    """
    return context_named(name, [PictureContext()])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the images of a split, in the order of the file, each with all its captions as `answers`, as they stand.

    Args:
        folder: See `gill_bench.datasets.coco.read_coco`.
        split: Such as "val2017".
        options: Not used here.

    Raises:
        InputError: The file is absent or malformed, or there are no pictures at all.
    """
    return Dataset(
        [
            Example(
                str(image.id),
                str(image.id),
                (Turn("", image.picture),),
                answers=tuple(caption.text for caption in image.captions),
            )
            for image in read_coco(folder, split)
        ]
    )
