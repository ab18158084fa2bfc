"""What a task's card says has to be downloaded: what of it is there, and where the rest has to go."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import urlsplit

from gill_bench.cards.find import TaskCard
from gill_bench.cards.schema import Download
from gill_bench.datasets.pictures import EXTENSIONS
from gill_bench.planning.resolved import data_folder
from gill_bench.weights.find import MINI

_DEPTH, _FOLDERS = 2, 1000  # how far one looks for what lies in another place than expected
_SIMILAR = 0.8  # of file names: another split, an edition, a suffix such as "_small"


@dataclass(frozen=True)
class Needed:
    """One file, or folder of pictures, that a task needs.

    Attributes:
        what: For people; so are `url` and `size`.
        pictures: It is a folder of pictures, not a file.
        place: Where it is expected.
        found: Where it is; None if it is nowhere.
        lacking: How many of the pictures that the data names are not there.
        hint: What was found instead, and what to do with it, or "".
    """

    what: str
    url: str
    size: str
    pictures: bool
    place: Path
    found: Path | None
    lacking: int = 0
    hint: str = ""

    @property
    def state(self) -> str:
        """One of "there", "incomplete" and "missing"."""
        if self.found is None:
            return "missing"
        return "incomplete" if self.lacking else "there"


def find_downloads(card: TaskCard, data: str, usual_split: str) -> list[Needed]:
    """What the card of a task says has to be downloaded, each with where it is or has to go.

    Args:
        card: As resolved, so that its split is the one that is read.
        data: "mini" or a folder, which need not exist.
        usual_split: The split whose sizes the card gives.
    """
    folder = _expected_folder(card, data)
    split = card.data.split
    of_other = f" for {usual_split}" if split != usual_split else ""
    found = []
    for download in card.data.downloads:
        one = Needed(
            what=_of_split(download.what, split),
            url=_of_split(download.url, split),
            size=download.size and f"{download.size}{of_other}",
            pictures=download.to.endswith("/"),
            place=_place(folder, _of_split(download.to, split)),
            found=_find(folder, download, split),
        )
        hint = "" if one.found else _hint(one, folder if folder.is_dir() else Path(data))
        found.append(Needed(**{**vars(one), "hint": hint}))
    return found


def _expected_folder(card: TaskCard, data: str) -> Path:
    """The task's folder, or the one that has to be made: `--data` can be the folder of all data or of this one."""
    folder, top = data_folder(card, data), Path(data)
    if data == MINI or folder != top or top.resolve().name == card.data.folder:
        return folder
    inside = [one for one in card.data.downloads if not one.to.startswith("..")]
    return top if any(_find(top, one, card.data.split) for one in inside) else top / card.data.folder


def _of_split(text: str, split: str) -> str:
    return text.replace("{split}", split)


def _place(folder: Path, to: str) -> Path:
    return Path(os.path.normpath(folder / to))


def _find(folder: Path, download: Download, split: str) -> Path | None:
    for to in (download.to, *download.also):
        text = _of_split(to, split)
        places = sorted(folder.glob(text)) if "*" in text else [_place(folder, text)]
        for place in places:
            if _has_pictures(place) if to.endswith("/") else place.is_file():
                return place
    return None


def _has_pictures(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    with os.scandir(folder) as entries:
        return any(_is_picture(entry.name) for entry in entries)


def _is_picture(name: str) -> bool:
    return Path(name).suffix.lower() in EXTENSIONS and not name.startswith(".")


def _hint(needed: Needed, root: Path) -> str:
    """What lies near in another place, under another name, or packed."""
    files, folders = _near(root)
    archive = Path(urlsplit(needed.url).path).name
    for file in files:
        if file.name == archive != needed.place.name:
            return f"{file} has to be unpacked"
    if needed.pictures:
        shown = ", ".join(f"{folder}/" for folder in folders[:3]) + (", ..." if len(folders) > 3 else "")
        return f"pictures are in {shown}: of another split, or in the wrong place" if folders else ""
    moved = [file for file in files if file.name == needed.place.name]
    if moved:
        return f"{moved[0]} has the right name: move it to that place"
    names = [file.name for file in files if file.suffix == needed.place.suffix]
    similar = difflib.get_close_matches(needed.place.name, names, n=1, cutoff=_SIMILAR)
    if similar:
        file = next(file for file in files if file.name == similar[0])
        return f"{file} is of another split (choose it with --split), or has to be renamed"
    return ""


def _near(root: Path) -> tuple[list[Path], list[Path]]:
    """Files that are no pictures, and folders with pictures, some levels down."""
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
