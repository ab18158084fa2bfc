"""Finding pictures by id in the folders of a data set, and checking that they can be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from gill_bench.datasets import Picture
from gill_bench.errors import InputError
from gill_bench.storage.digests import digest_file
from gill_bench.storage.images import UnreadablePictureError, read_picture

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
_THREADS = 4  # threads that decode pictures; PIL releases the GIL while it decodes


def index_pictures(folders: Iterable[Path]) -> dict[str, Path]:
    """Map picture ids (file names without extension) to files.

    If several files have the same name, the first folder decides, and within a folder the order of `EXTENSIONS`, so
    that the choice never depends on the file system. Folders that do not exist are skipped, and so are hidden files,
    such as the `._7.jpg` that macOS puts beside `7.jpg`.
    """
    best: dict[str, tuple[int, int, Path]] = {}
    for order, folder in enumerate(folders):
        if not folder.is_dir():
            continue
        for file in folder.iterdir():
            extension = file.suffix.lower()
            if extension not in EXTENSIONS or file.name.startswith("."):
                continue
            candidate = (order, EXTENSIONS.index(extension), file)
            if file.stem not in best or candidate < best[file.stem]:
                best[file.stem] = candidate
    return {stem: file for stem, (_, _, file) in best.items()}


def find_pictures(folders: Iterable[Path], names: Iterable[str]) -> dict[str, Path]:
    """Map file names, which may have folders in them, to files; the first folder that has a file of a name counts.

    Whether a file is a regular file is checked later, when it is read.
    """
    existing = [folder for folder in folders if folder.is_dir()]
    files: dict[str, Path] = {}
    for name in names:
        file = next((folder / name for folder in existing if (folder / name).exists()), None)
        if file is not None:
            files[name] = file
    return files


def no_pictures(folder: Path, split: str, folders: Iterable[Path], expected: str) -> InputError:
    """The error for data without a single picture.

    Args:
        folder: The data set's folder.
        split: The split's name.
        folders: The folders that were searched.
        expected: The names that the files of pictures should have.
    """
    searched = ", ".join(f"{looked.relative_to(folder.parent)}/" for looked in folders)
    return InputError(f"{folder}: no pictures of split {split!r}; looked in {searched}\nexpected {expected}")


class Checked(NamedTuple):
    """The result of reading a picture once: the SHA-256 of its file, or the reason why it cannot be used.

    If a rule beyond `gill_bench.storage.images.RULE` decided how the file is read, its name follows the SHA-256, so
    that outputs and scores that were made with another reading of the same file do not count.
    """

    sha256: str
    problem: str


def check_pictures(pictures: Iterable[Picture], progress: Callable[[int], None] | None = None) -> dict[str, Checked]:
    """Decode every distinct picture once and hash its file.

    Args:
        pictures: Pictures; repeated ids are read once.
        progress: A function that is called with the number of pictures checked since its last call.

    Returns:
        The result for each picture, by picture id. Decoded pictures are not kept in memory.
    """
    distinct = {picture.id: picture for picture in pictures}
    results: dict[str, Checked] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for picture, checked in zip(distinct.values(), pool.map(_check, distinct.values()), strict=True):
            results[picture.id] = checked
            if progress is not None:
                progress(1)
    return results


def _check(picture: Picture) -> Checked:
    if picture.file is None:
        return Checked("", "picture is not in the data folder")
    try:
        _, rule = read_picture(picture.file)
        sha256 = digest_file(picture.file)
        return Checked(f"{sha256}|{rule}" if rule else sha256, "")
    except UnreadablePictureError as error:
        return Checked("", str(error))
    except OSError as error:
        return Checked("", error.strerror or str(error))


def repeated_content(checked: dict[str, Checked]) -> list[list[str]]:
    """Groups of picture ids whose files have the same content.

    For a removed photo, Flickr may send a placeholder picture (protocol 3.1); the same content under many ids shows it.
    """
    groups: dict[str, list[str]] = {}
    for name, (sha256, _) in checked.items():
        if sha256:
            groups.setdefault(sha256, []).append(name)
    return [names for names in groups.values() if len(names) > 1]
