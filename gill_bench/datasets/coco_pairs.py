"""Captions of COCO from which pictures are generated, and the pictures that they are compared with by FID.

The facts are in protocol 3.8 (paper Table 8). Nothing but the number of captions is published: the sample here is one
caption each of as many distinct images. With `random.Random(sampling_seed)`, images are drawn first, by one call of
`sample` over all image ids in ascending order; then, in the order drawn, one caption of each by `choice` over the
image's caption ids in ascending order. Examples stand in the order drawn, so that a `--limit` is a random part of them.
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
"""The number of captions that are drawn; 0 means one of every image."""
SAMPLING_SEED = Count("sampling_seed", 0)
REFERENCES = Choice("references", ("full", "matched"))
"""The pictures that FID compares with: every picture of the split, or those of the sampled captions."""
OPTIONS = (CAPTIONS, SAMPLING_SEED, REFERENCES)


def context(name: str) -> TextContext:
    """The context `caption`.

    Raises:
        InputError: The name is another one.
    """
    return context_named(name, [TextContext("caption")])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read a sample of captions, without the blanks around them, each with the picture of its image as target.

    Args:
        folder: The folder that `gill_bench.datasets.coco.read_coco` describes.
        split: Such as "val2014".
        options: `CAPTIONS`, `SAMPLING_SEED` and `REFERENCES`.

    Raises:
        InputError: The file is absent or malformed, there are no pictures at all, or an option is wrong.
    """
    wanted = CAPTIONS.of(options)
    rng = random.Random(SAMPLING_SEED.of(options))  # noqa: S311 (a sample, not a secret)
    references = REFERENCES.of(options)
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
