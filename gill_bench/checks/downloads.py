"""The downloads that a task's card names: which of them are there, and where the missing ones have to go."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from gill_bench.cards.find import TaskCard
from gill_bench.cards.sources import Download
from gill_bench.datasets.pictures import EXTENSIONS
from gill_bench.planning.resolved import data_folder
from gill_bench.weights.find import MINI

_DEPTH, _FOLDERS = 2, 1000  # the levels and the number of folders that are searched for misplaced files
_SIMILAR = 0.8  # file names this similar may be another split or edition, or have a suffix such as "_small"


@dataclass(frozen=True)
class Needed:
    """One file, or folder of pictures, that a task needs.

    Attributes:
        what: A description of the file or folder, for people.
        url: The address to download it from.
        size: The size of the download, for people.
        pictures: Whether it is a folder of pictures, not a file.
        expected: The path where it belongs.
        path: The path where the file or folder is; None if it does not exist.
        lacking: The number of pictures that the data names and the folder lacks.
        hint: A sentence about a nearby file that seems to be the download, and what to do with it; or "".
    """

    what: str
    url: str
    size: str
    pictures: bool
    expected: Path
    path: Path | None
    lacking: int = 0
    hint: str = ""

    @property
    def state(self) -> str:
        """One of "there", "incomplete" and "missing"."""
        if self.path is None:
            return "missing"
        return "incomplete" if self.lacking else "there"


def find_downloads(card: TaskCard, data: str, usual_split: str) -> list[Needed]:
    """The downloads that a task's card names, each with the path where it is or belongs.

    Args:
        card: The resolved card, whose split is the split that is read.
        data: "mini" or a folder, which need not exist.
        usual_split: The split whose sizes the card gives.
    """
    folder = expected_folder(card, data)
    split = card.data.split
    of_other = f" for {usual_split}" if split != usual_split else ""
    downloads = []
    for download in card.data.downloads:
        needed = Needed(
            what=_of_split(download.what, split),
            url=_of_split(download.url, split),
            size=download.size and f"{download.size}{of_other}",
            pictures=download.to.endswith("/"),
            expected=_normal_path(folder, _of_split(download.to, split)),
            path=_find(folder, download, split),
        )
        hint = "" if needed.path else _hint(needed, folder if folder.is_dir() else Path(data))
        downloads.append(replace(needed, hint=hint))
    return downloads


def expected_folder(card: TaskCard, data: str) -> Path:
    """The folder where the task's data belongs: the folder of `--data`, or a folder in it if it holds all data sets."""
    folder, top = data_folder(card, data), Path(data)
    if data == MINI or folder != top or top.resolve().name == card.data.folder:
        return folder
    inside = [download for download in card.data.downloads if not download.to.startswith("..")]
    return top if any(_find(top, download, card.data.split) for download in inside) else top / card.data.folder


def _of_split(text: str, split: str) -> str:
    return text.replace("{split}", split)


def _normal_path(folder: Path, to: str) -> Path:
    return Path(os.path.normpath(folder / to))


def _find(folder: Path, download: Download, split: str) -> Path | None:
    for to in (download.to, *download.also):
        text = _of_split(to, split)
        paths = sorted(folder.glob(text)) if "*" in text else [_normal_path(folder, text)]
        for path in paths:
            if _has_pictures(path) if to.endswith("/") else path.is_file():
                return path
    return None


def _has_pictures(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(_is_picture(entry.name) for entry in entries)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in EXTENSIONS and not name.startswith(".")


def _hint(needed: Needed, root: Path) -> str:
    """A sentence about a file or folder nearby that seems to be the download, misplaced, misnamed or packed; or ""."""
    files, folders = _near(root)
    archive = Path(urlsplit(needed.url).path).name
    for file in files:
        if file.name == archive != needed.expected.name:
            return f"{file} has to be unpacked"
    if needed.pictures:
        nearby = ", ".join(f"{folder}/" for folder in folders[:3]) + (", ..." if len(folders) > 3 else "")
        return f"pictures are in {nearby}: of another split, or in the wrong place" if folders else ""
    moved = [file for file in files if file.name == needed.expected.name]
    if moved:
        return f"{moved[0]} has the right name: move it to that place"
    names = [file.name for file in files if file.suffix == needed.expected.suffix]
    similar = difflib.get_close_matches(needed.expected.name, names, n=1, cutoff=_SIMILAR)
    if similar:
        file = next(file for file in files if file.name == similar[0])
        return f"{file} is of another split (choose it with --split), or has to be renamed"
    return ""


def _near(root: Path) -> tuple[list[Path], list[Path]]:
    """Files that are not pictures, and folders with pictures, down to some levels below a folder."""
    files, folders = [], []
    for folder, names in _walk(root):
        if any(map(_is_picture, names)):
            folders.append(folder)
        files += [folder / name for name in sorted(names) if not _is_picture(name)]
    return files, folders


def _walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    for name, below, names in islice(os.walk(root), _FOLDERS):
        folder = Path(name)
        below[:] = sorted(below) if len(folder.relative_to(root).parts) < _DEPTH else []
        yield folder, names
