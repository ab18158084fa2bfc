"""Embeddings that are being made, stored part by part beside the folder they are for, so that a kill loses one part.

`DIR.parts/` holds `request.json` and, for each part, `NUMBER.npy` with its embeddings and `NUMBER.json`, which is
written last and has the digest of the former. One process at a time works in it. `gill-bench embed` removes the folder
when DIR is in place.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gill_bench.embeddings.store import ABOUT, check_new
from gill_bench.errors import InputError
from gill_bench.storage.arrays import read_array
from gill_bench.storage.digests import digest_file
from gill_bench.storage.files import remove_folder, write_atomic
from gill_bench.storage.folder_lock import LOCK, only_process
from gill_bench.storage.json import to_json
from gill_bench.storage.reading import read_json

_REQUEST = "request.json"

Sources = Sequence[dict[str, str]]


class LeftOutPicture(NamedTuple):
    """A picture that could not be read, and the reason in a few words."""

    path: str
    reason: str


class PartialEmbeddings:
    """The parts of one request.

    Args:
        folder: The folder in which the finished embeddings will be.
        sources: Name and SHA-256 of all that decides the embeddings; another request has others.
        size: The number of pictures in each part but the last.
    """

    def __init__(self, folder: Path, sources: Sources, size: int) -> None:
        whole = folder.resolve()  # "." has no name, to which anything could be added
        self.folder = whole.with_name(f"{whole.name}.parts")
        self._finished = folder
        self._sources, self._size = list(sources), size
        self._mend = f"remove {self.folder} to begin again"

    def is_finished(self) -> bool:
        """Whether the folder holds the finished embeddings of this request.

        Raises:
            InputError: The folder holds something else.
        """
        about = self._finished / ABOUT
        if not about.is_file():
            check_new(self._finished)
            return False
        _refuse_other(self._finished, read_json(about).get("sources"), self._sources)
        return True

    @contextmanager
    def only_process(self) -> Iterator[None]:
        """Make the folder of the parts, and keep other processes out of it while the context lasts.

        Raises:
            InputError: Another process works in it.
        """
        with only_process(self.folder, f"{self._finished}: another embed"):
            yield

    def begin(self) -> None:
        """Note the request in the folder of the parts, or check that the folder is of this request.

        Raises:
            InputError: It is of another request, or is no such folder.
        """
        file = self.folder / _REQUEST
        if not file.is_file():
            # A hidden file is a temporary one, which a killed process left.
            if any(path.name != LOCK and not path.name.startswith(".") for path in self.folder.iterdir()):
                raise InputError(f"{self.folder}: exists, but has no {_REQUEST}; {self._mend}")
            _write_json(file, {"sources": self._sources, "size": self._size})
        stored = read_json(file)
        _refuse_other(self.folder, stored.get("sources"), self._sources)
        if stored.get("size") != self._size:
            raise InputError(f"{self.folder}: parts of another version of gill-bench; {self._mend}")

    def has(self, number: int) -> bool:
        """Whether a part, counted from 0, is stored."""
        return self._files(number)[1].exists()

    def write(self, number: int, vectors: NDArray[np.float32], left_out: Sequence[LeftOutPicture]) -> None:
        """Store a part: its embeddings (B, p), and the pictures that have none."""
        array, commit = self._files(number)
        content = io.BytesIO()
        np.lib.format.write_array(content, vectors, allow_pickle=False)
        write_atomic(array, content.getvalue())
        _write_json(commit, {"array": digest_file(array), "left_out": [list(picture) for picture in left_out]})

    def vectors(self, number: int) -> NDArray[np.float32]:
        """The embeddings (B, p) of a part; raises `InputError` if it is damaged."""
        array = self._files(number)[0]
        if not array.is_file() or digest_file(array) != read_json(self._files(number)[1]).get("array"):
            raise InputError(f"{array}: is gone, or altered since it was written; {self._mend}")
        with array.open("rb") as opened:
            vectors: NDArray[np.float32] = read_array(opened)
        return vectors

    def left_out(self, number: int) -> list[LeftOutPicture]:
        """The pictures of a part that have no embedding; raises `InputError` if it is damaged."""
        return [LeftOutPicture(*picture) for picture in read_json(self._files(number)[1])["left_out"]]

    def is_begun(self) -> bool:
        """Whether there is a folder of parts of this request."""
        file = self.folder / _REQUEST
        return file.is_file() and bool(read_json(file).get("sources") == self._sources)

    def remove(self) -> None:
        """Remove the folder of the parts."""
        remove_folder(self.folder)

    def _files(self, number: int) -> tuple[Path, Path]:
        return self.folder / f"{number:08d}.npy", self.folder / f"{number:08d}.json"


def _write_json(file: Path, value: dict[str, Any]) -> None:
    write_atomic(file, (to_json(value) + "\n").encode())


def _refuse_other(folder: Path, stored: Any, requested: Sources) -> None:
    """Refuse a folder whose embeddings were made from something else; the message names what differs."""
    if stored == requested:
        return
    known = [source for source in stored if isinstance(source, dict)] if isinstance(stored, list) else []
    both = [*known, *requested]
    differ = dict.fromkeys(str(item.get("name")) for item in both if item not in known or item not in requested)
    raise InputError(
        f"{folder}: holds embeddings of another request; these differ: {', '.join(differ) or 'the order of its parts'}"
        "\nname another --out, or remove that folder"
    )
