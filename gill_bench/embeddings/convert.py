"""Conversion of the authors' retrieval embeddings, which are pickles, into plain files (protocol 1.9, 4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gill_bench.embeddings.pickled_arrays import StoredArray, read_pickled
from gill_bench.embeddings.store import Dtype, check_new, write_embeddings
from gill_bench.errors import InputError
from gill_bench.progress import bar
from gill_bench.storage.digests import digest_file

_ROWS = 4096  # in a block
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class _Content:
    """The content of one file.

    Attributes:
        file: The file.
        paths: The URL or file name of each embedding.
        parts: Arrays of one type, each of one or several embeddings, in order.
        width: The number of values in an embedding, p.
    """

    file: Path
    paths: list[str]
    parts: list[StoredArray]
    width: int

    def blocks(self) -> Iterator[NDArray[np.floating]]:
        """The embeddings (B, p), float32 or float64, some thousands at a time."""
        waiting: list[NDArray[np.floating]] = []
        for part in self.parts:
            rows = part.values.reshape(-1, self.width)
            for start in range(0, len(rows), _ROWS):
                waiting.append(StoredArray(part.dtype, rows[start : start + _ROWS]).numbers())
                if sum(map(len, waiting)) >= _ROWS:
                    yield np.concatenate(waiting)
                    waiting = []
        if waiting:
            yield np.concatenate(waiting)


def convert_embeddings(files: Sequence[Path], folder: Path, dtype: Dtype = "float32") -> int:
    """Convert one or several of the authors' files, concatenated in the given order, without running code from them.

    Args:
        files: Pickles of `{"paths": [str], "embeddings": ...}`; the embeddings are an array or tensor (n, p) or
            (n, 1, p), or a list of such arrays and of vectors (p,).
        folder: The folder that is written, whole or not at all; it must be empty or not exist.
        dtype: The type of the numbers that are written.

    Returns:
        The number of embeddings.

    Raises:
        InputError: A file is no such pickle, holds code, is cut off, or has rows that are zero or not finite; or the
            folder cannot be written.
    """
    check_new(folder)
    if not files:
        raise InputError("no files to convert")
    contents = [_read(file) for file in files]
    for content in contents[1:]:
        if content.width != contents[0].width:
            raise InputError(
                f"{content.file}: embeddings of width {content.width}, but those of {contents[0].file} are of width"
                f" {contents[0].width}: they are of different models"
            )
    paths = [path for content in contents for path in content.paths]
    sources = [{"name": file.name, "sha256": digest_file(file)} for file in files]
    with bar("writing", len(paths), "embeddings") as step:
        write_embeddings(folder, _blocks(contents, step), paths, sources, dtype)
    return len(paths)


def _blocks(contents: Sequence[_Content], step: Callable[[int], None]) -> Iterator[NDArray[np.floating]]:
    for content in contents:
        for block in content.blocks():
            yield block
            step(len(block))


def _read(file: Path) -> _Content:
    size = file.stat().st_size if file.is_file() else 0
    with bar(f"reading {file.name}", max(size // _MIB, 1), "MiB") as step:
        content = read_pickled(file, lambda count: step(count // _MIB))
    if not isinstance(content, dict) or not {"paths", "embeddings"} <= content.keys():
        raise InputError(f"{file}: expected a dictionary with the keys 'paths' and 'embeddings'")
    paths, arrays = content["paths"], content["embeddings"]
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise InputError(f"{file}: 'paths' is not a list of strings")
    arrays = arrays if isinstance(arrays, (list, tuple)) else [arrays]
    if not arrays:
        raise InputError(f"{file}: 'embeddings' is empty")
    kinds: set[tuple[str, int]] = set()
    count = 0
    for index, array in enumerate(arrays):
        rows, width = _rows(array)
        if not rows:
            kind = f"array {array.values.shape}" if isinstance(array, StoredArray) else type(array).__name__
            raise InputError(f"{file}: 'embeddings', item {index}: {kind}, expected (p,), (n, p) or (n, 1, p)")
        kinds.add((array.dtype, width))
        if len(kinds) > 1:
            raise InputError(f"{file}: 'embeddings', item {index} is of another type or width than those before it")
        count += rows
    if count != len(paths):
        raise InputError(f"{file}: {len(paths)} paths, but {count} embeddings; the file is damaged")
    [(_, width)] = kinds
    return _Content(file, paths, list(arrays), width)


def _rows(array: object) -> tuple[int, int]:
    """The number and the width of an array's embeddings; (0, 0) if the array holds none."""
    shape = array.values.shape if isinstance(array, StoredArray) and array.dtype else ()
    if len(shape) == 3 and shape[1] == 1:
        shape = (shape[0], shape[2])
    if len(shape) == 1:
        shape = (1, *shape)
    return (shape[0], shape[1]) if len(shape) == 2 and shape[0] and shape[1] else (0, 0)
