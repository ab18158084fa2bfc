"""The pictures that can be retrieved: their embeddings on disk, and where the pictures themselves are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.embeddings.store import Embeddings, read_embeddings
from gill_bench.errors import InputError
from gill_bench.storage.images import UnreadablePictureError, load_image, rgb_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

Fetch = Callable[[str], "Image"]


@dataclass(frozen=True, slots=True)
class RetrievedCandidate:
    """A candidate that a query retrieved; see `RetrievedImage`."""

    row: int
    path: str
    cosine: float


class CandidateSet:
    """Embeddings of pictures, and access to the pictures; this class itself fetches nothing from the network.

    Args:
        embeddings: Embeddings made with the model that searches them.
        pictures: Folder of picture files, named as `picture_file` says. None = there is no such folder.
        fetch: Function that returns the picture of a path, called where the folder has no such file. If it raises
            OSError, ValueError or `UnreadablePictureError`, the picture counts as unavailable.
    """

    def __init__(self, embeddings: Embeddings, pictures: Path | None = None, fetch: Fetch | None = None) -> None:
        if pictures is not None and not pictures.is_dir():
            raise InputError(f"{pictures}: no such folder; expected the candidates' pictures")
        self.embeddings = embeddings
        self._pictures = pictures
        self._fetch = fetch

    @classmethod
    def load(cls, folder: Path | str, pictures: Path | str | None = None, fetch: Fetch | None = None) -> CandidateSet:
        """Open a folder of embeddings that `gill-bench convert-embeddings` wrote."""
        return cls(read_embeddings(Path(folder)), Path(pictures) if pictures is not None else None, fetch)

    def __len__(self) -> int:
        return len(self.embeddings)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[list[list[RetrievedCandidate]], list[float]]:
        """The candidates nearest to each of Q L2-normalised queries (Q, p); no candidate is given to two queries.

        All queries are searched in one pass over the candidates. A candidate that an earlier query got is left out of
        the later lists, as in the authors' code, whether or not its picture could be read (protocol 1.9).

        Returns:
            Q lists of at most k candidates, best first, ties in the order of the set; and for each query the largest
            cosine to any candidate, also to one that was left out.
        """
        if not len(queries):
            return [], []
        near = self.embeddings.nearest(queries, k * len(queries))
        seen: set[int] = set()
        lists = []
        for rows, scores in zip(near.indices.tolist(), near.scores.tolist(), strict=True):
            unseen = [pair for pair in zip(rows, scores, strict=True) if pair[0] not in seen][:k]
            seen.update(row for row, _ in unseen)
            lists.append([RetrievedCandidate(row, self.embeddings.path(row), score) for row, score in unseen])
        return lists, [float(row[0]) for row in near.scores]

    def picture(self, path: str) -> Image:
        """The picture of a candidate: from the folder, else from the caller's function.

        Raises:
            UnreadablePictureError: The picture is unavailable; the message is the reason in a few words.
        """
        file = picture_file(self._pictures, path) if self._pictures is not None else None
        if file is not None and (file.is_file() or self._fetch is None):
            return load_image(file)
        if self._fetch is None:
            raise UnreadablePictureError("neither a folder of pictures nor a function that fetches them was given")
        try:
            return rgb_of(self._fetch(path))
        except (OSError, ValueError) as error:
            raise UnreadablePictureError(f"not fetched ({type(error).__name__}: {error})") from error


def picture_file(folder: Path, path: str) -> Path:
    """The file in a folder that holds the picture of a candidate.

    A candidate's file name is used as it is. The picture of a URL has the URL's SHA-256 as name, because two URLs can
    end in the same file name.

    Raises:
        UnreadablePictureError: The name leads out of the folder.

    >>> picture_file(Path("pictures"), "https://example.org/a.jpg").name[:12]
    '700caca5ae8f'
    """
    if "://" in path:
        return folder / f"{hashlib.sha256(path.encode()).hexdigest()}.jpg"
    if "\0" in path or not (folder / path).resolve().is_relative_to(folder.resolve()):
        raise UnreadablePictureError("its name leads out of the folder of pictures")
    return folder / path


def read_pictures(
    candidates: CandidateSet, retrieved: Sequence[RetrievedCandidate], most: int
) -> list[tuple[Image | None, str]]:
    """Read pictures of retrieved candidates until `most` could be read; None and the reason for unavailable ones."""
    read: list[tuple[Image | None, str]] = []
    for item in retrieved:
        if sum(picture is not None for picture, _ in read) == most:
            break
        try:
            read.append((candidates.picture(item.path), ""))
        except UnreadablePictureError as error:
            read.append((None, str(error)))
    return read
