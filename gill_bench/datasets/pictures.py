"""Finding pictures by id in the folders in which people keep them, and checking that they can be read."""

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
_THREADS = 4  # PIL releases the GIL while it decodes


def index_pictures(folders: Iterable[Path]) -> dict[str, Path]:
    """Map picture ids (file names without extension) to files.

    An earlier folder wins over a later one, and within a folder the order of `EXTENSIONS` decides, so that the choice
    never depends on the file system. Folders that do not exist are passed over, and so are hidden files, such as the
    `._7.jpg` that macOS puts beside `7.jpg`.
    """
    found: dict[str, tuple[int, int, Path]] = {}
    for place, folder in enumerate(folders):
        if not folder.is_dir():
            continue
        for file in folder.iterdir():
            extension = file.suffix.lower()
            if extension not in EXTENSIONS or file.name.startswith("."):
                continue
            candidate = (place, EXTENSIONS.index(extension), file)
            if file.stem not in found or candidate < found[file.stem]:
                found[file.stem] = candidate
    return {stem: file for stem, (_, _, file) in found.items()}


def find_pictures(places: Iterable[Path], names: Iterable[str]) -> dict[str, Path]:
    """Map file names, of which each may have folders in it, to files; the first place that has one wins.

    What lies there under the name may be no regular file, which reading it tells.
    """
    folders = [place for place in places if place.is_dir()]
    found: dict[str, Path] = {}
    for name in names:
        file = next((folder / name for folder in folders if (folder / name).exists()), None)
        if file is not None:
            found[name] = file
    return found


def no_pictures(folder: Path, split: str, places: Iterable[Path], expected: str) -> InputError:
    """The error for data without a single picture.

    Args:
        folder: What `--data` names.
        split: The split's name.
        places: Where pictures were looked for.
        expected: What their files are called.
    """
    looked = ", ".join(f"{place.relative_to(folder.parent)}/" for place in places)
    return InputError(f"{folder}: no pictures of split {split!r}; looked in {looked}\nexpected {expected}")


class Checked(NamedTuple):
    """What reading a picture once told: the SHA-256 of its file, or the reason why it cannot be used.

    The SHA-256 stands for what is seen of the file. Where that hangs on a rule beyond `gill_bench.storage.images.RULE`,
    the
    rule's name follows it, so that what was made or scored with another reading of the same file counts as of another.
    """

    sha256: str
    problem: str


def check_pictures(pictures: Iterable[Picture], progress: Callable[[int], None] | None = None) -> dict[str, Checked]:
    """Decode every distinct picture once and hash its file.

    Args:
        pictures: Pictures; repeated ids are read once.
        progress: Called with the number of pictures done since the last call.

    Returns:
        By picture id. Nothing decoded is kept.
    """
    distinct = {picture.id: picture for picture in pictures}
    found: dict[str, Checked] = {}
    with ThreadPoolExecutor(_THREADS) as pool:
        for picture, checked in zip(distinct.values(), pool.map(_check, distinct.values()), strict=True):
            found[picture.id] = checked
            if progress is not None:
                progress(1)
    return found


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

    Removed Flickr photos can come back as a valid placeholder picture (protocol 3.1), which shows as one content
    under many ids.
    """
    groups: dict[str, list[str]] = {}
    for name, (sha256, _) in checked.items():
        if sha256:
            groups.setdefault(sha256, []).append(name)
    return [names for names in groups.values() if len(names) > 1]
