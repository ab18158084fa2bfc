"""The official `<split>.story-in-sequence.json` of Visual Storytelling (VIST): stories about five photos each.

The facts are in protocol 3.1. `annotations` is a list of one-element lists, one per sentence; five sentences make a
story. Models read the anonymised, tokenised `text`. Stories are in the order of their first sentence in the file, the
sentences of a story in the order of `worker_arranged_photo_order`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.addresses import PictureAddress
from gill_bench.datasets.contexts import CAPTION_JOIN, SENTENCES, caption_context
from gill_bench.datasets.files import find_split_file, identifier, integer_of, list_of, shown, text_of
from gill_bench.datasets.options import Choice
from gill_bench.datasets.pictures import index_pictures, no_pictures
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json

STORIES = Choice("stories", ("all-pictures", "context"))
"""The stories that count: "all-pictures" takes, in every context, the stories whose five pictures are all there;
"context" takes those with the pictures that the context and the target need."""
OPTIONS = (STORIES,)
PROMPT = (CAPTION_JOIN,)
_IDS = ("storylet_id", "story_id", "photo_flickr_id")


context = caption_context


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the stories of a split.

    Args:
        folder: The folder with `sis/<split>.story-in-sequence.json` or `<split>.story-in-sequence.json`, and with the
            pictures as `<photo_flickr_id>.<ext>` in `images/<split>/`, `images/`, `<split>/` or the folder itself.
        split: "train", "val" or "test".
        options: `STORIES`.

    Returns:
        The candidates are every distinct picture of the split's stories, in the order in which they first appear
        (protocol 3.5).

    Raises:
        InputError: The file is absent or malformed, or there are no pictures at all.
    """
    file, folders = _find(folder, split)
    pictures = index_pictures(folders)
    if not pictures:
        raise no_pictures(folder, split, folders, "<photo_flickr_id>.jpg or another common extension")
    stories = _read_stories(file, pictures)
    photos = {turn.picture.id: turn.picture for story in stories for turn in story.turns if turn.picture is not None}
    return Dataset(
        stories, require_all_pictures=STORIES.of(options) == "all-pictures", candidates=tuple(photos.values())
    )


def picture_addresses(folder: Path, split: str) -> list[PictureAddress]:
    """The addresses of a split's photos on Flickr, in the order in which the stories name them.

    `images` has an original (`url_o`) of most photos; of the others, a smaller size (`url_m`) is named.

    Raises:
        InputError: The file is absent or malformed.
    """
    file, folders = _find(folder, split)
    pictures = index_pictures(folders)
    urls: dict[str, str] = {}
    for number, image in enumerate(list_of(read_json(file), "images", str(file))):
        where = f"{file}: images[{number}]"
        if not isinstance(image, dict):
            raise InputError(f"{where}: expected an object, found {shown(image)}")
        url = image.get("url_o") or image.get("url_m") or ""
        urls[str(image.get("id"))] = text_of({"url": url}, "url", where, may_be_blank=True)
    photos = [turn.picture.id for story in _read_stories(file, pictures) for turn in story.turns if turn.picture]
    return [
        PictureAddress(photo, urls.get(photo, ""), f"images/{split}/{photo}", pictures.get(photo))
        for photo in dict.fromkeys(photos)
    ]


def _find(folder: Path, split: str) -> tuple[Path, list[Path]]:
    """The file of a split's stories, and the folders in which its pictures may be."""
    file = find_split_file(
        folder,
        split,
        "{split}.story-in-sequence.json",
        ("sis", "."),
        "download the SIS files of VIST into sis/",
    )
    return file, [folder / "images" / split, folder / "images", folder / split, folder]


def _read_stories(file: Path, pictures: Mapping[str, Path]) -> list[Example]:
    sentences: dict[str, list[tuple[int, str, str]]] = {}
    seen: dict[str, int] = {}
    annotations = f"{file}: annotations"
    for number, record in enumerate(list_of(read_json(file), "annotations", str(file))):
        if not isinstance(record, list) or len(record) != 1 or not isinstance(record[0], dict):
            raise InputError(f"{annotations}[{number}]: expected a list of one object, as in the official files")
        sentence, field = record[0], f"{annotations}[{number}][0]"
        storylet, story, photo = _ids(sentence, field)
        if storylet in seen:
            raise InputError(
                f"{field}.storylet_id: {shown(storylet)} is also that of annotations[{seen[storylet]}];"
                " storylet ids are unique"
            )
        seen[storylet] = number
        order = integer_of(sentence, "worker_arranged_photo_order", field)
        sentences.setdefault(story, []).append((order, text_of(sentence, "text", field), photo))
    if not sentences:
        raise InputError(f"{file}: annotations: the list is empty")
    photos: dict[str, Picture] = {}  # one object for each photo: many thousands of stories share photos
    for parts in sentences.values():
        for _, _, photo in parts:
            photos.setdefault(photo, Picture(photo, pictures.get(photo)))
    return [_story(name, parts, photos, file) for name, parts in sentences.items()]


def _story(name: str, sentences: list[tuple[int, str, str]], photos: Mapping[str, Picture], file: Path) -> Example:
    sentences.sort()
    orders = [order for order, _, _ in sentences]
    if len(sentences) != SENTENCES:
        raise InputError(f"{file}: story_id {shown(name)}: {len(sentences)} sentences, expected {SENTENCES}")
    if orders != list(range(SENTENCES)):
        raise InputError(
            f"{file}: story_id {shown(name)}: worker_arranged_photo_order {orders}, expected each place from 0 to"
            f" {SENTENCES - 1} once"
        )
    turns = tuple(Turn(text, photos[photo]) for _, text, photo in sentences)
    return Example(id=name, cluster="-".join(photo for _, _, photo in sentences), turns=turns, target=turns[-1].picture)


def _ids(sentence: Mapping[str, Any], where: str) -> tuple[str, str, str]:
    """The ids of a sentence, its story and its photo."""
    storylet, story, photo = [sentence.get(name) for name in _IDS]
    if type(storylet) is type(story) is type(photo) is str:  # nearly always, and then of harmless characters
        together = storylet + story + photo
        if together.isascii() and together.isprintable() and all(value.strip() for value in (storylet, story, photo)):
            return storylet, story, photo
    storylet, story, photo = (_id(sentence, name, where) for name in _IDS)
    return storylet, story, photo


def _id(sentence: Mapping[str, Any], name: str, where: str) -> str:
    value = sentence.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return identifier(text_of(sentence, name, where), f"{where}.{name}")
