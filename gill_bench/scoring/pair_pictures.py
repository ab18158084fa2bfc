"""The pictures of a unit with its records, as metrics that compare pictures read them."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING

from gill_bench.rundir.load_units import file_hashes, read_picture
from gill_bench.rundir.records import Sample
from gill_bench.scoring.stored import StoredUnit
from gill_bench.storage.images import load_image

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL.Image import Image


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
