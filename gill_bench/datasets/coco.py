"""The official `captions_<split>.json` of COCO: images with their captions, for captioning and for FID.

The facts are in protocol 3.8 and 3.10. `images` names the picture files, `annotations` has one caption in each record;
the captions of a picture do not follow one another.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gill_bench.datasets import Picture
from gill_bench.datasets.files import file_name, find_split_file, integer_of, list_of, text_of
from gill_bench.datasets.pictures import find_pictures, no_pictures
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json


class CocoCaption(NamedTuple):
    """A caption as it stands in the file, and its id."""

    id: int
    text: str


class CocoImage(NamedTuple):
    """An image: its id, its picture (whose id is the same, as text) and its captions, in the order of the file."""

    id: int
    picture: Picture
    captions: tuple[CocoCaption, ...]


def read_coco(folder: Path, split: str, *, need_pictures: bool = True) -> list[CocoImage]:
    """Read the images of a split, in the order of `images`.

    Args:
        folder: The folder with `annotations/captions_<split>.json` or `captions_<split>.json`, and with the pictures
            under their `file_name` in `<split>/`, `images/<split>/` or `images/`.
        split: The split, such as "val2014" or "val2017".
        need_pictures: Whether data without a single picture is an error.

    Raises:
        InputError: The file is absent or malformed, an image has no caption, or there are no pictures at all.
    """
    file = find_split_file(
        folder,
        split,
        "captions_{split}.json",
        ("annotations", "."),
        "download the train/val annotations of COCO into annotations/",
    )
    content = read_json(file)
    names: dict[int, str] = {}
    for number, record in enumerate(list_of(content, "images", str(file))):
        where = f"{file}: images[{number}]"
        image = integer_of(record, "id", where)
        if image in names:
            raise InputError(f"{where}.id: {image} is the id of an earlier image; image ids are unique")
        names[image] = file_name(text_of(record, "file_name", where), f"{where}.file_name")
    if not names:
        raise InputError(f"{file}: images: the list is empty")
    captions: dict[int, list[CocoCaption]] = {image: [] for image in names}
    seen: set[int] = set()
    for number, record in enumerate(list_of(content, "annotations", str(file))):
        where = f"{file}: annotations[{number}]"
        image, caption = (integer_of(record, key, where) for key in ("image_id", "id"))
        if image not in captions:
            raise InputError(f"{where}.image_id: no image has the id {image}")
        if caption in seen:
            raise InputError(f"{where}.id: {caption} is the id of an earlier caption; caption ids are unique")
        seen.add(caption)
        captions[image].append(CocoCaption(caption, text_of(record, "caption", where)))
    without = [image for image, texts in captions.items() if not texts]
    if without:
        raise InputError(f"{file}: annotations: {len(without)} images have no caption, the first with id {without[0]}")
    folders = [folder / split, folder / "images" / split, folder / "images"]
    pictures = find_pictures(folders, names.values())
    if need_pictures and not pictures:
        raise no_pictures(folder, split, folders, f"{next(iter(names.values()))} and so on, as in images[].file_name")
    return [
        CocoImage(image, Picture(str(image), pictures.get(name)), tuple(captions[image]))
        for image, name in names.items()
    ]
