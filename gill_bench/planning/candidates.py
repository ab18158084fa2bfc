"""The candidates of retrieval are a cell of their own, so that each model embeds each picture only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gill_bench.cards.find import Value
from gill_bench.datasets import Example, Picture
from gill_bench.interfaces import OutputKind

CANDIDATES = "candidates"


class CandidateContext:
    """The context in which a model is asked for the embedding of a candidate picture."""

    name = CANDIDATES
    inputs = frozenset({"image"})
    asks: OutputKind | None = "candidates"

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The candidate picture alone."""
        assert example.target is not None
        return (example.target,)


def as_examples(pictures: Sequence[Picture]) -> list[Example]:
    """One example for each candidate picture, in their order; a picture that occurs several times has one."""
    distinct = {picture.id: picture for picture in pictures}
    return [Example(picture.id, picture.id, (), picture) for picture in distinct.values()]
