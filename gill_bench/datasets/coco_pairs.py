"""Captions of COCO from which pictures are generated, and the pictures that they are compared with by FID.

Facts in protocol 3.8 (paper Table 8). Nothing but the number of captions is published: the sample here is one caption
each of as many distinct images. With `random.Random(sampling_seed)`, images are drawn first, by one call of `sample`
over all image ids in ascending order; then, in the order drawn, one caption of each by `choice` over the image's
caption ids in ascending order. Examples stand in the order drawn, so that a `--limit` is a random part of them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Turn
from gill_bench.datasets.coco import read_coco
from gill_bench.datasets.contexts import TextContext, context_named
from gill_bench.datasets.options import choice, count

CAPTIONS = 30000
REFERENCES = ("full", "matched")


def context(name: str) -> TextContext:
    """The context `caption`.

    Raises:
        InputError: Another name.
    """
    return context_named(name, [TextContext("caption")])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read a sample of captions, without the blanks around them, each with the picture of its image as target.

    Args:
        folder: See `gill_bench.datasets.coco.read_coco`.
        split: Such as "val2014".
        options: `captions`: how many, 30000 by default; 0 is one of every image. `sampling_seed`: 0 by default.
            `references`: "full" = every picture of the split, "matched" = those of the sampled captions.

    Raises:
        InputError: The file is absent or malformed, there are no pictures at all, or an option is wrong.
    """
    wanted = count(options, "captions", CAPTIONS)
    rng = random.Random(count(options, "sampling_seed", 0))  # noqa: S311 (a sample, not a secret)
    references = choice(options, "references", REFERENCES)
    images = read_coco(folder, split)
    by_id = {image.id: image for image in images}
    drawn = rng.sample(sorted(by_id), min(wanted or len(by_id), len(by_id)))
    examples = []
    for image in map(by_id.__getitem__, drawn):
        caption = rng.choice(sorted(image.captions))
        examples.append(Example(str(caption.id), str(image.id), (Turn(caption.text.strip()),), image.picture))
    compared = images if references == "full" else [by_id[image] for image in drawn]
    return Dataset(examples, references=[image.picture for image in compared], warnings=_warnings(wanted, len(by_id)))


def _warnings(wanted: int, there: int) -> tuple[str, ...]:
    if wanted <= there:
        return ()
    return (f"{wanted} captions of distinct images were asked for, but there are {there} images: one of each is taken",)
