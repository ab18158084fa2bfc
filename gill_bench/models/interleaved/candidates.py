"""The pictures that can be retrieved at inference: embeddings on the disk, and where the pictures themselves are."""

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
class Found:
    """One candidate for one query.

    Attributes:
        place: In the candidate set, from 0.
        path: URL or file name.
        cosine: To the query.
    """

    place: int
    path: str
    cosine: float


class CandidateSet:
    """Embeddings of pictures, and a way to the pictures, which are never fetched from the network by this class.

    Args:
        embeddings: Made with the model that asks.
        pictures: Folder of picture files; see `picture_file` for their names. None = there is none.
        fetch: Gives the picture of a path, by whatever means the caller wants; asked where the folder has no such
            file. What it raises as OSError, ValueError or `UnreadablePictureError` counts as a picture that cannot be
            had.
    """

    def __init__(self, embeddings: Embeddings, pictures: Path | None = None, fetch: Fetch | None = None) -> None:
        if pictures is not None and not pictures.is_dir():
            raise InputError(f"{pictures}: no such folder; expected the candidates' pictures")
        self.embeddings = embeddings
        self._pictures = pictures
        self._fetch = fetch

    @classmethod
    def load(cls, folder: Path | str, pictures: Path | str | None = None, fetch: Fetch | None = None) -> CandidateSet:
        """Open what `gill-bench convert-embeddings` wrote.

        Raises:
            InputError: The folder is damaged, or there is no folder of pictures where one is named.
        """
        return cls(read_embeddings(Path(folder)), Path(pictures) if pictures is not None else None, fetch)

    def __len__(self) -> int:
        return len(self.embeddings)

    def search(self, queries: NDArray[np.float32], k: int) -> tuple[list[list[Found]], list[float]]:
        """The best candidates of Q queries (Q, p), one after the other: none comes up twice.

        All queries are searched in one pass over the candidates. What an earlier query got is left out of the later
        ones, as in the authors' code, whether or not its picture could be read (protocol 1.9).

        Args:
            queries: L2-normalised.
            k: Candidates wanted by each.

        Returns:
            Q lists of at most k, best first and of equal ones the first; and for each query the largest cosine to any
            candidate, those left out included.

        Raises:
            InputError: The queries are of another width than the candidates.
        """
        if not len(queries):
            return [], []
        near = self.embeddings.nearest(queries, k * len(queries))
        seen: set[int] = set()
        lists = []
        for places, scores in zip(near.places.tolist(), near.scores.tolist(), strict=True):
            left = [pair for pair in zip(places, scores, strict=True) if pair[0] not in seen][:k]
            seen.update(place for place, _ in left)
            lists.append([Found(place, self.embeddings.path(place), score) for place, score in left])
        return lists, [float(row[0]) for row in near.scores]

    def picture(self, path: str) -> Image:
        """The picture of a candidate: from the folder, else from the caller's function.

        Raises:
            UnreadablePictureError: With the reason in a few words.
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
    """Where the picture of a candidate is expected in a folder.

    A file name as it is; a URL, from which no file name can be had that is sure to be its own, by the SHA-256 of it.

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


def read_pictures(candidates: CandidateSet, found: Sequence[Found], most: int) -> list[tuple[Image | None, str]]:
    """The pictures of what was found, until `most` are had; None, and the reason, for those that cannot be had."""
    read: list[tuple[Image | None, str]] = []
    for item in found:
        if sum(picture is not None for picture, _ in read) == most:
            break
        try:
            read.append((candidates.picture(item.path), ""))
        except UnreadablePictureError as error:
            read.append((None, str(error)))
    return read
