"""What a data set needs on disk."""

from __future__ import annotations

from gill_bench.datasets import Dataset, Picture


def pictures_of(dataset: Dataset) -> list[Picture]:
    """Every picture of a data set once: those of the examples, then other candidates, then other references."""
    own = (picture for example in dataset.examples for picture in example.pictures)
    return list(
        {picture.id: picture for part in (own, dataset.candidates, dataset.references) for picture in part}.values()
    )
