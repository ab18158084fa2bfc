"""The files of an export: their paths, and functions that make their contents when they are written."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from PIL import Image

from gill_bench.errors import InputError
from gill_bench.exchange.exported_cell import ExportedCell
from gill_bench.rundir.records import Sample
from gill_bench.storage.names import name_problem
from gill_bench.storage.paths import is_remote

_TEXT_BYTES = 4096  # a generous size of a file that holds texts, for the check of the disk

_PICTURE_BYTES = 1 << 20  # of a picture in an object store, which is not asked for its size


class ExportFile(NamedTuple):
    """A file that is to be written.

    Attributes:
        path: The path in the folder of the export.
        content: Makes the content.
        size: About how many bytes it has.
    """

    path: str
    content: Callable[[], bytes]
    size: int = _TEXT_BYTES


class Export(NamedTuple):
    """The files of an export, and what to do with them.

    Attributes:
        files: The files.
        advice: Sentences for the user, such as the command of the judge.
        samples: The number of samples in the files.
    """

    files: Sequence[ExportFile]
    advice: tuple[str, ...] = ()
    samples: int = 0


def picture_file(cell: ExportedCell, sample: Sample, path: str) -> ExportFile:
    """A sample's picture, byte for byte as it is stored."""
    file = sample.folder / sample.image
    size = _PICTURE_BYTES if is_remote(file) or not file.is_file() else file.stat().st_size
    return ExportFile(path, lambda: cell.picture(sample), size)


def text_file(path: str, lines: Iterable[str]) -> ExportFile:
    """A file of lines."""
    content = "".join(f"{line}\n" for line in lines).encode()
    return ExportFile(path, lambda: content, len(content))


def readable_names(names: Collection[str]) -> Mapping[str, str]:
    """A name of a file for each example: its id, or, where some id cannot be one, a number.

    >>> readable_names(["a", "b"]), readable_names(["a/1", "b"])
    ({'a': 'a', 'b': 'b'}, {'a/1': '000000', 'b': '000001'})
    """
    plain = all(not name_problem(f"{name}.png") and not name.startswith(".") for name in names)
    if plain and len({name.casefold() for name in names}) == len(names):
        return {name: name for name in names}
    return {name: f"{number:06d}" for number, name in enumerate(names)}


def grid(cell: ExportedCell, samples: Sequence[Sample | None], side: int, form: str) -> bytes:
    """One picture of `side` x `side` samples, row by row; None leaves a place black.

    Args:
        cell: The cell of the samples.
        samples: The samples; all pictures have the same size.
        side: The number of rows, and of columns.
        form: "PNG", or "WEBP" without loss.

    Raises:
        InputError: The pictures differ in size.
    """
    pictures = [None if sample is None else _opened(cell.picture(sample)) for sample in samples]
    sizes = {picture.size for picture in pictures if picture is not None}
    if len(sizes) != 1:
        name = next(sample.example for sample in samples if sample is not None)
        raise InputError(
            f"{cell.key}: the pictures of example {name!r} differ in size, {sorted(sizes)}: no grid is cut so"
        )
    ((width, height),) = sizes
    whole = Image.new("RGB", (side * width, side * height))
    for number, picture in enumerate(pictures):
        if picture is not None:
            whole.paste(picture, (number % side * width, number // side * height))
    buffer = io.BytesIO()
    whole.save(buffer, form, **({"lossless": True} if form == "WEBP" else {}))
    return buffer.getvalue()


def _opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content), formats=("PNG",)).convert("RGB")


def size_of(cell: ExportedCell, sample: Sample) -> tuple[int, int]:
    """Width and height of a sample's picture, in pixels."""
    return _opened(cell.picture(sample)).size
