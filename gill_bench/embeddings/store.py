"""Embeddings of candidate pictures in a folder of plain files, read from the disk block by block.

`embeddings.npy` holds one L2-normalised embedding in each row (float32 or float16), `paths.txt` the URL or file name of
each picture, one a line, and `embeddings.json` the files from which the embeddings were made.
`gill-bench convert-embeddings` makes such a folder from the authors' files, and `gill-bench embed` from pictures.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gill_bench.embeddings.search import Nearest, Vectors, blocks_of, top_k
from gill_bench.errors import InputError
from gill_bench.storage.arrays import map_array
from gill_bench.storage.files import sync_folder
from gill_bench.storage.json import to_json
from gill_bench.storage.paths import name_in_errors, refuse_special, temporary_beside
from gill_bench.storage.reading import read_json

VERSION = 1
VECTORS, PATHS, ABOUT = "embeddings.npy", "paths.txt", "embeddings.json"
Dtype = Literal["float32", "float16"]
_PART = 1 << 24  # bytes of paths.txt that are searched for line ends at a time


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Embeddings of N pictures, which stay on the disk.

    Attributes:
        folder: The folder that holds them.
        vectors: (N, p), memory-mapped, L2-normalised.
    """

    folder: Path
    vectors: NDArray[np.floating]
    _text: NDArray[np.uint8]
    _ends: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def width(self) -> int:
        """The number of dimensions of the embeddings, p."""
        return int(self.vectors.shape[1])

    def path(self, index: int) -> str:
        """URL or file name of a picture, 0 <= index < N."""
        start = int(self._ends[index - 1]) + 1 if index else 0
        return bytes(self._text[start : int(self._ends[index])]).decode()

    def nearest(self, queries: Vectors, k: int) -> Nearest:
        """The k pictures with the highest cosine to each query (Q, p), by exact search; ties keep the stored order.

        Raises:
            InputError: The queries are of another width.
        """
        if queries.shape[1] != self.width:
            raise InputError(
                f"{self.folder}: embeddings of width {self.width}, but the model's are of width {queries.shape[1]};"
                " use embeddings that were made with this model"
            )
        return top_k(queries, blocks_of(self.vectors), k)


def read_embeddings(folder: Path) -> Embeddings:
    """Open a folder of embeddings; only the list of paths is read.

    Raises:
        InputError: A file is missing, cut off or of another version, or the files do not belong together.
    """
    about = read_json(folder / ABOUT)
    if about.get("version") != VERSION:
        raise InputError(f"{folder / ABOUT}: version {about.get('version')!r}, expected {VERSION}; convert them again")
    try:
        for name in (VECTORS, PATHS):
            refuse_special(folder / name)
        vectors = map_array(folder / VECTORS)
        text = np.memmap(folder / PATHS, np.uint8, "r")
    except FileNotFoundError as error:
        raise InputError(f"{error.filename}: no such file; convert the embeddings again") from error
    except (ValueError, OSError, EOFError, OverflowError) as error:
        raise InputError(f"{folder}: {VECTORS} or {PATHS} is cut off or damaged; convert them again") from error
    shape = (about.get("count"), about.get("width"))
    if vectors.shape != shape or vectors.dtype not in (np.float32, np.float16):
        raise InputError(
            f"{folder / VECTORS}: {vectors.dtype} {vectors.shape}, but {ABOUT} promises {about.get('dtype')} {shape};"
            " convert them again"
        )
    parts = range(0, len(text), _PART)
    ends = np.concatenate([np.flatnonzero(text[start : start + _PART] == 10) + start for start in parts])
    if len(ends) != len(vectors) or text[-1] != 10:
        raise InputError(f"{folder / PATHS}: {len(ends)} lines for {len(vectors)} embeddings; convert them again")
    return Embeddings(folder, vectors, text, ends)


def write_embeddings(
    folder: Path,
    blocks: Iterable[NDArray[np.floating]],
    paths: Sequence[str],
    sources: Sequence[dict[str, str]] = (),
    dtype: Dtype = "float32",
    more: Mapping[str, bytes] | None = None,
) -> None:
    """Write a folder of embeddings; a kill leaves the whole folder or none.

    Args:
        folder: The folder; it does not exist yet, or is empty.
        blocks: Blocks (B, p) of embeddings of any length; this function normalises them and does not store the lengths.
        paths: URL or file name of each of the N embeddings.
        sources: Name and SHA-256 of each file that the embeddings come from, for `embeddings.json`.
        dtype: float16 halves the file; cosines are then off by up to about 0.0005.
        more: Further files of the folder, by name.

    Raises:
        InputError: The folder is not empty, an embedding is zero, not finite or of another width, a path has a line
            break, or there are more or fewer paths than embeddings.
    """
    check_new(folder)
    for index, path in enumerate(paths):
        if "\n" in path:
            raise InputError(f"path {index} has a line break: {path[:80]!r}")
    with name_in_errors(folder), _temporary(folder) as temporary:
        count, width = _write_vectors(temporary / VECTORS, blocks, paths, np.dtype(dtype))
        with (temporary / PATHS).open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(f"{path}\n" for path in paths)
        about = {"version": VERSION, "count": count, "width": width, "dtype": dtype, "normalised": True}
        (temporary / ABOUT).write_text(to_json({**about, "sources": list(sources)}, indent=2) + "\n", encoding="utf-8")
        for name, content in (more or {}).items():
            (temporary / name).write_bytes(content)


def check_new(folder: Path) -> None:
    """Check that a folder can be written.

    Raises:
        InputError: The folder has content already, or its parent folder does not exist.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: exists already; name a folder that does not")
    if not folder.absolute().parent.is_dir():
        raise InputError(f"{folder.absolute().parent}: no such folder")


def _write_vectors(
    file: Path, blocks: Iterable[NDArray[np.floating]], paths: Sequence[str], dtype: np.dtype[np.floating]
) -> tuple[int, int]:
    wrong: list[int] = []
    count, width = 0, 0
    with file.open("wb") as opened:
        for block in blocks:
            values = np.asarray(block, np.float64)
            if count and values.shape[1] != width:
                raise InputError(f"embeddings of width {width}, and from row {count} on of width {values.shape[1]}")
            if not count:
                width = values.shape[1]
                header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False}
                np.lib.format.write_array_header_1_0(opened, {**header, "shape": (len(paths), width)})
            lengths = np.sqrt(np.einsum("ij,ij->i", values, values))[:, None]
            good = (lengths > 0) & np.isfinite(lengths)
            wrong += (np.flatnonzero(~good[:, 0]) + count).tolist()
            opened.write(np.divide(values, lengths, where=good, out=np.zeros_like(values)).astype(dtype).tobytes())
            count += len(values)
        opened.flush()
        os.fsync(opened.fileno())
    if count != len(paths):
        raise InputError(f"{count} embeddings and {len(paths)} paths, expected a path for each embedding")
    if not count:
        raise InputError("there are no embeddings")
    if wrong:
        named = ", ".join(f"{index} ({paths[index][:80]})" for index in wrong[:3])
        raise InputError(f"{len(wrong)} of {count} embeddings are zero or not finite, at rows (from 0) {named}")
    return count, width


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A new folder beside `folder`, which is renamed to it at the end; after an error it is removed."""
    temporary = temporary_beside(folder.absolute())
    temporary.mkdir()
    try:
        yield temporary
        sync_folder(temporary)
        temporary.replace(folder)
        sync_folder(folder.absolute().parent)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
