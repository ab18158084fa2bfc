"""The addresses of pictures in annotation files, for data sets whose pictures lie on the web sites of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

from gill_bench.datasets import dataset


class PictureAddress(NamedTuple):
    """The address of a picture.

    Attributes:
        id: The picture's id.
        url: The address; "" if the annotation files name none.
        stem: The path, from the data set's folder, at which the reader looks for the picture, without an extension.
        file: The picture's file; None where the data folder does not have it.
    """

    id: str
    url: str
    stem: str
    file: Path | None


def picture_addresses(name: str) -> Callable[[Path, str], list[PictureAddress]] | None:
    """The function of a reader that lists the addresses of a split's pictures, each once; None if it has none.

    The function takes the data set's folder and the split, and raises `InputError` as the reader does.

    Args:
        name: The registered name of the reader.
    """
    function = getattr(dataset(name), "picture_addresses", None)
    return cast(Callable[[Path, str], list[PictureAddress]] | None, function)
