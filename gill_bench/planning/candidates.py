"""The candidates of retrieval as a cell of their own: each picture is embedded once per model, stored and resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gill_bench.cards.find import Value
from gill_bench.datasets import Example, Picture
from gill_bench.interfaces import OutputKind

CANDIDATES = "candidates"


class CandidateContext:
    """Asks for the embedding of a picture."""

    name = CANDIDATES
    inputs = frozenset({"image"})
    asks: OutputKind | None = "candidates"

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The picture."""
        assert example.target is not None
        return (example.target,)


def as_examples(pictures: Sequence[Picture]) -> list[Example]:
    """Candidates as examples, in order; each picture once."""
    distinct = {picture.id: picture for picture in pictures}
    return [Example(picture.id, picture.id, (), picture) for picture in distinct.values()]
