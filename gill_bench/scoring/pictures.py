"""The pictures of units with their records, as metrics read them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby, islice
from typing import TYPE_CHECKING

from gill_bench.rundir.load_units import file_hashes, read_picture
from gill_bench.rundir.records import Sample
from gill_bench.scoring.stored import StoredUnit
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL.Image import Image

READ_BEFORE = 32
"""The most pictures of a job that are read while the job before it is done; they bound the memory."""


@dataclass(frozen=True)
class UnitPictures:
    """A unit's records, and some of its pictures.

    Attributes:
        unit: The unit.
        hashes: The SHA-256 of each of its files.
        content: The digest of these.
        samples: Its samples that count, in the order in which they were stored.
        images: Pictures that are read already, by the names of their files.
    """

    unit: StoredUnit
    hashes: Mapping[str, str]
    content: str
    samples: list[Sample]
    images: dict[str, Image] = field(default_factory=dict)

    @classmethod
    def of(cls, unit: StoredUnit) -> UnitPictures:
        """Read the records of a unit, and no picture."""
        return cls(unit, file_hashes(unit.folder), unit.content, unit.samples())

    @cached_property
    def by_example(self) -> list[tuple[str, list[Sample]]]:
        """The samples of each example, with its id."""
        return [(name, list(group)) for name, group in groupby(self.samples, key=lambda sample: sample.example)]

    def image(self, sample: Sample) -> Image:
        """The picture of a sample: one that is read already is given away, any other is read, and checked by its hash.

        Raises:
            DamagedUnitError: The file is not there, or is not as it was written.
        """
        image = self.images.pop(sample.image, None)
        if image is not None:
            return image
        return load_image(io.BytesIO(read_picture(self.unit.folder / sample.image, self.hashes[sample.image])))


def read_first(units: Sequence[UnitPictures]) -> None:
    """Read the first pictures of some units, several at a time, so that they are there when a job begins."""
    first = list(islice(((unit, sample) for unit in units for sample in unit.samples), READ_BEFORE))
    for (unit, sample), image in zip(first, read_ahead(lambda pair: pair[0].image(pair[1]), first), strict=True):
        unit.images[sample.image] = image
