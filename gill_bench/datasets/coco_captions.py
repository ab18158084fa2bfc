"""COCO captioning: describe a picture; the references are its captions (protocol 3.10, paper Table 7)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Turn
from gill_bench.datasets.coco import read_coco
from gill_bench.datasets.contexts import CAPTION_PROMPT, PictureContext, context_named

PROMPT = (CAPTION_PROMPT,)


def context(name: str) -> PictureContext:
    """The context `caption`."""
    return context_named(name, [PictureContext()])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the images of a split, in the order of the file, each with all its captions, unchanged, as `answers`.

    `gill_bench.datasets.coco.read_coco` describes the folder.
    """
    examples = []
    for image in read_coco(folder, split):
        name, captions = str(image.id), tuple(caption.text for caption in image.captions)
        examples.append(Example(name, name, (Turn("", image.picture),), answers=captions))
    return Dataset(examples)
