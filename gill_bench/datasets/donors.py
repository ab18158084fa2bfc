"""Donors: for each example another one, whose parts stand in place of its own in a control context.

The choice depends on the ids, clusters and pictures in the annotations alone, and not on which examples are asked, in
which order, or whose files are there. All examples stand in a ring, in the order of the SHA-256 of their ids; the donor
of an example is the next one that is of another cluster, shares no picture with it, and has at least as many turns, and
turns with a picture.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gill_bench.datasets import Example

_DOMAIN = "gill-bench/donor/1"


class Donors:
    """The donors among the examples of a data set.

    Args:
        examples: All examples of the split, whether or not they are asked.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        digests = {example.id: hashlib.sha256(f"{_DOMAIN}/{example.id}".encode()).digest() for example in examples}
        self._ring = sorted(examples, key=lambda example: (digests[example.id], example.id))
        self._at = {example.id: number for number, example in enumerate(self._ring)}
        self._several = len({example.cluster for example in examples}) > 1

    def of(self, example: Example) -> Example | None:
        """The donor of an example; None if no other example is fit."""
        if not self._several:
            return None
        start = self._at[example.id] + 1
        own = {picture.id for picture in example.pictures}
        ring = (self._ring[(start + step) % len(self._ring)] for step in range(len(self._ring) - 1))
        return next((other for other in ring if _is_fit(other, example, own)), None)

    def given_to(self, examples: Iterable[Example]) -> list[Example]:
        """The same examples, each with its donor."""
        return [replace(example, donor=self.of(example)) for example in examples]


def _is_fit(other: Example, example: Example, own: set[str]) -> bool:
    return (
        other.cluster != example.cluster
        and len(other.turns) >= len(example.turns)
        and _turns_with_pictures(other) >= _turns_with_pictures(example)
        and own.isdisjoint(picture.id for picture in other.pictures)
    )


def _turns_with_pictures(example: Example) -> int:
    return sum(turn.picture is not None for turn in example.turns)
