"""Captions of COCO from which pictures are generated, and the pictures that FID compares them with.

The facts are in protocol 3.8 (paper Table 8). Only the number of captions is published. Here the sample is one caption
each of so many distinct images, drawn with `random.Random(sampling_seed)`: one call of `sample` over all image ids in
ascending order draws the images; then, in the order drawn, `choice` over an image's caption ids in ascending order
draws its caption. Examples keep the order drawn, so that `--limit` takes a random part of them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Turn
from gill_bench.datasets.coco import read_coco
from gill_bench.datasets.contexts import TextContext, context_named
from gill_bench.datasets.options import Choice, Count

CAPTIONS = Count("captions", 30000)
"""The number of captions that are drawn; 0 draws one caption of every image."""
SAMPLING_SEED = Count("sampling_seed", 0)
REFERENCES = Choice("references", ("full", "matched"))
"""The pictures that FID compares with: every picture of the split, or the pictures of the sampled captions."""
OPTIONS = (CAPTIONS, SAMPLING_SEED, REFERENCES)


def context(name: str) -> TextContext:
    """The context `caption`."""
    return context_named(name, [TextContext("caption")])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read a sample of captions, without the blanks around them, each with the picture of its image as target.

    `gill_bench.datasets.coco.read_coco` describes the folder.
    """
    count = CAPTIONS.of(options)
    rng = random.Random(SAMPLING_SEED.of(options))  # noqa: S311 (a sample, not a secret)
    references = REFERENCES.of(options)
    images = read_coco(folder, split)
    by_id = {image.id: image for image in images}
    drawn = rng.sample(sorted(by_id), min(count or len(by_id), len(by_id)))
    examples = []
    for image in map(by_id.__getitem__, drawn):
        caption = rng.choice(sorted(image.captions))
        examples.append(Example(str(caption.id), str(image.id), (Turn(caption.text.strip()),), image.picture))
    compared = images if references == "full" else [by_id[image] for image in drawn]
    return Dataset(examples, references=[image.picture for image in compared], warnings=_warnings(count, len(by_id)))


def _warnings(count: int, images: int) -> tuple[str, ...]:
    if count <= images:
        return ()
    return (f"{count} captions of distinct images were asked for, but there are {images} images: one of each is taken",)
