"""CC3M: captions from which pictures are generated, and the pictures that FID compares them with.

The facts are in protocol 3.7 (paper Tables 3 and 4). Two forms of the data are read; if both are there, the authors'
form is read:

- `cc3m_<split>.tsv` with a header, the form on which GILL is trained (protocol 2.1). It names the picture of each
  caption.
- The official list without a header, `Validation_GCC-1.1.0-Validation.tsv` or `Train_GCC-training.tsv`. It holds URLs,
  many of which are gone. A picture belongs to the row whose URL or caption img2dataset wrote beside it, in a `.json` or
  `.txt` of the same name. Without such a file, the picture's name is the number of its row, counted from 0, in nine
  digits (`000000012.jpg`), and it may lie in a shard's folder (`00001/000010012.jpg`): these are the names that
  img2dataset gives with its default of 10,000 rows a shard (`gill_bench.datasets.sidecars`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.addresses import PictureAddress
from gill_bench.datasets.caption_pairs import read_captioned_urls, read_pairs
from gill_bench.datasets.contexts import TextContext, context_named
from gill_bench.datasets.pictures import find_pictures, index_pictures, no_pictures
from gill_bench.datasets.sidecars import DIGITS, match_pictures
from gill_bench.errors import InputError, did_you_mean

OFFICIAL = {"val": "Validation_GCC-1.1.0-Validation.tsv", "train": "Train_GCC-training.tsv"}
PICTURES = {"val": "validation", "train": "training"}
_SHARD_ROWS, _FLAT_ROWS = 10_000, 100_000
_SHARD = re.compile(r"[0-9]{5,}")


def context(name: str) -> TextContext:
    """The context `caption`."""
    return context_named(name, [TextContext("caption")])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the pairs of a split, in the order of the file; an example's id is the number of its row, from 0.

    Args:
        folder: The folder with the list, directly or in `datasets/`, and the pictures in `cc3m/validation/` or
            `cc3m/training/`, or in `validation/` or `training/`.
        split: "val" or "train".
        options: Not used.

    Returns:
        The data set; its references are the pictures of all pairs, each once.

    Raises:
        InputError: The list is absent or malformed, there are no pictures at all, or it is unknown to which rows the
            pictures belong.
    """
    file = _find_list(folder, split)
    warnings: tuple[str, ...] = ()
    folders = _picture_folders(folder, split)
    if file.name == OFFICIAL[split]:
        pairs = read_captioned_urls(file)
        captions = [pair.caption for pair in pairs]
        names = [f"{number:0{DIGITS}d}" for number in range(len(pairs))]
        with_shards = [*folders, *_shards(folders)]
        matched = match_pictures(index_pictures(with_shards), pairs, with_shards)
        pictures = {names[number]: picture for number, picture in matched.pictures.items()}
        warnings = tuple(matched.warnings(file))
        expected = f"{names[0]}.jpg and so on, by the number of the row, directly or in shards such as 00000/"
    else:
        captions, names = map(list, zip(*read_pairs(file), strict=True))
        pictures = find_pictures(folders, names)
        expected = f"{names[0]} and so on, as {file.name} names them"
    if not pictures:
        if warnings:
            raise InputError(f"{folder}: no picture of split {split!r} belongs to a row: {'; '.join(warnings)}")
        raise no_pictures(folder, split, folders, expected)
    targets = {name: Picture(name, pictures.get(name)) for name in names}
    examples = [
        Example(str(number), str(number), (Turn(caption),), targets[name])
        for number, (caption, name) in enumerate(zip(captions, names, strict=True))
    ]
    return Dataset(examples, references=tuple(targets.values()), warnings=warnings)


def picture_addresses(folder: Path, split: str) -> list[PictureAddress]:
    """The addresses of a split's pictures, in the order of the official list, by the numbers of their rows.

    Pictures of a list with more than 100,000 rows go into the folders of shards that img2dataset makes.

    Raises:
        InputError: The list is absent or malformed, or has the authors' form, which names no addresses.
    """
    file = _find_list(folder, split)
    if file.name != OFFICIAL[split]:
        raise InputError(f"{file}: names files and no addresses; for those, put {OFFICIAL[split]} in its place")
    pairs = read_captioned_urls(file)
    with_shards = [*(folders := _picture_folders(folder, split)), *_shards(folders)]
    pictures = match_pictures(index_pictures(with_shards), pairs, with_shards).pictures
    addresses = []
    for row, pair in enumerate(pairs):
        name = f"{row:0{DIGITS}d}"
        shard = f"{row // _SHARD_ROWS:05d}/" if len(pairs) > _FLAT_ROWS else ""
        addresses.append(PictureAddress(name, pair.image, f"{PICTURES[split]}/{shard}{name}", pictures.get(row)))
    return addresses


def _picture_folders(folder: Path, split: str) -> list[Path]:
    return [folder / "cc3m" / PICTURES[split], folder / PICTURES[split]]


def _find_list(folder: Path, split: str) -> Path:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (given by --data)")
    if split not in OFFICIAL:
        raise InputError(f"{folder}: split {split!r} of CC3M; {did_you_mean(split, OFFICIAL)}")
    names = (f"cc3m_{split}.tsv", OFFICIAL[split])
    for name in names:
        for parent in (folder, folder / "datasets"):
            if (parent / name).exists():
                return parent / name
    raise InputError(f"{folder}: neither {names[0]} nor {names[1]}; download the list of captions and URLs of CC3M")


def _shards(folders: list[Path]) -> list[Path]:
    inside = [path for folder in folders if folder.is_dir() for path in folder.iterdir()]
    return sorted(path for path in inside if _SHARD.fullmatch(path.name) and path.is_dir())
