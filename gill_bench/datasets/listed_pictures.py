"""The pictures of a folder, or of a list like CC3M's, in a fixed order: what `gill-bench embed --images` names."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gill_bench.datasets import cc3m
from gill_bench.datasets.caption_pairs import read_pairs
from gill_bench.datasets.pictures import EXTENSIONS, find_pictures
from gill_bench.errors import InputError
from gill_bench.storage.paths import check_utf8

_SPLITS = {name: split for split, name in cc3m.OFFICIAL.items()}


class ListedPicture(NamedTuple):
    """A picture of a folder or list.

    Attributes:
        path: The POSIX path of its file from the folder, or from the folder of the list; where a list names a picture
            that is not there, the name in the list.
        file: The file; None where a list names a picture that is not there.
    """

    path: str
    file: Path | None


def list_pictures(images: Path) -> tuple[Path, list[ListedPicture]]:
    """List the pictures of a folder or of a list.

    A folder's pictures are all files below it that end as pictures do (`EXTENSIONS`) and are not hidden, sorted by
    their paths. A list's are those of its rows, in its order, each once. It has the header `caption<TAB>image`, or it
    is an official list of CC3M under its own name. Its pictures lie beside it, or where those of CC3M do
    (`gill_bench.datasets.cc3m`); a list in a folder `datasets` counts as lying beside that folder.

    Returns:
        The folder from which the paths go, and the pictures.

    Raises:
        InputError: There is no such folder or list, it is malformed or names no picture, or a path cannot be stored.
    """
    if images.is_dir():
        root, pictures = images, _below(images)
    elif images.is_file():
        root = images.absolute().parent
        root = root.parent if root.name == "datasets" else root
        pictures = _in_list(images, root)
    else:
        raise InputError(f"--images {images}: no such folder or list; expected a folder of pictures, or a .tsv")
    if not pictures:
        raise InputError(f"--images {images}: no pictures in it or below it; expected files {', '.join(EXTENSIONS)}")
    for picture in pictures:
        check_utf8(picture.path, "picture")
        if len(picture.path.splitlines()) != 1:
            raise InputError(f"--images {images}: the name of {picture.path!r} has a line break; rename the file")
    return root, pictures


def _below(folder: Path) -> list[ListedPicture]:
    files = ((file.relative_to(folder), file) for file in folder.rglob("*") if file.suffix.lower() in EXTENSIONS)
    pictures = (
        ListedPicture(path.as_posix(), file)
        for path, file in files
        if not any(part.startswith(".") for part in path.parts) and file.is_file()
    )
    return sorted(pictures)


def _in_list(file: Path, root: Path) -> list[ListedPicture]:
    if file.name in _SPLITS:
        addresses = cc3m.picture_addresses(root, _SPLITS[file.name])
        named = {address.stem: address.file for address in addresses}
    else:
        names = list(dict.fromkeys(pair.image for pair in read_pairs(file)))
        folders = [root / parent / name for parent in (".", "cc3m") for name in cc3m.PICTURES.values()]
        files = find_pictures([root, *folders], names)
        named = {name: files.get(name) for name in names}
    return [
        ListedPicture(picture.relative_to(root).as_posix() if picture is not None else name, picture)
        for name, picture in named.items()
    ]
