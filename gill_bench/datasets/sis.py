"""Visual Storytelling (VIST), stories of images in sequence, as the official `<split>.story-in-sequence.json` files.

Facts in protocol 3.1. `annotations` is a list of one-element lists, one per sentence; five sentences make a story. The
anonymised, tokenised `text` is what models read. Stories come in the order of their first sentence in the file, their
sentences by `worker_arranged_photo_order`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gill_bench.cards import Value
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.files import is_encodable, list_of, read_json_file
from gill_bench.datasets.pictures import index_pictures
from gill_bench.errors import InputError, did_you_mean
from gill_bench.interfaces import Asks

SENTENCES = 5
_SUFFIX = ".story-in-sequence.json"
_GRAMMAR = re.compile(r"([0-9])-captions?(?:-([0-9])-images?)?")


@dataclass(frozen=True, slots=True)
class CaptionContext:
    """The last `captions` captions, with the pictures that follow all but the last of them, from the end back.

    `5-captions-4-images` is c1 i1 c2 i2 c3 i3 c4 i4 c5; `2-captions-1-image` is c4 i4 c5 (protocol 3.1, 3.4).
    """

    captions: int
    images: int = 0

    @property
    def name(self) -> str:
        """Canonical name.

        >>> CaptionContext(5, 4).name, CaptionContext(1).name
        ('5-captions-4-images', '1-caption')
        """
        captions = f"{self.captions}-caption{'s' * (self.captions != 1)}"
        return captions + (f"-{self.images}-image{'s' * (self.images != 1)}" if self.images else "")

    @property
    def asks(self) -> Asks | None:
        """What the task's capability asks for."""
        return None

    @property
    def inputs(self) -> frozenset[str]:
        """What its prompts hold."""
        return frozenset({"text", "image"} if self.images else {"text"})

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt: captions in order, each of the last `images` pictures before the target after its caption."""
        turns = example.turns[-self.captions :]
        first_shown = self.captions - 1 - self.images
        segments: list[str | Picture] = []
        for place, turn in enumerate(turns):
            if prompt.get("caption_join", "space") == "space" and segments and isinstance(segments[-1], str):
                segments[-1] = f"{segments[-1]} {turn.text}"
            else:
                segments.append(turn.text)
            if first_shown <= place < self.captions - 1 and turn.picture is not None:
                segments.append(turn.picture)
        return tuple(segments)


def context(name: str) -> CaptionContext:
    """Parse `{n}-captions[-{m}-images]` with 1 <= n <= 5 and m < n.

    Raises:
        InputError: The name is not of this form, or asks for more than a story has.
    """
    match = _GRAMMAR.fullmatch(name)
    if match is None:
        near = [CaptionContext(n, m).name for n in range(1, SENTENCES + 1) for m in range(n)]
        raise InputError(
            f"unknown context {name!r}: expected {{n}}-captions or {{n}}-captions-{{m}}-images;"
            f" {did_you_mean(name, near)}"
        )
    captions, images = int(match[1]), int(match[2] or 0)
    if not 1 <= captions <= SENTENCES or images >= captions:
        raise InputError(
            f"context {name!r}: a story has {SENTENCES} captions, and at most one picture fewer than captions"
            " can be shown before its end"
        )
    return CaptionContext(captions, images)


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the stories of a split.

    Args:
        folder: Holds `sis/<split>.story-in-sequence.json` (or the file itself) and the pictures as
            `<photo_flickr_id>.<ext>` in `images/<split>/`, `images/`, `<split>/` or the folder itself.
        split: "train", "val" or "test".
        options: `stories`: "all-pictures" or "context".

    Raises:
        InputError: The file is absent or malformed, or there are no pictures at all.
    """
    file = _find_annotations(folder, split)
    places = [folder / "images" / split, folder / "images", folder / split, folder]
    pictures = index_pictures(places)
    if not pictures:
        looked = ", ".join(f"{place.relative_to(folder.parent)}/" for place in places)
        raise InputError(
            f"{folder}: no pictures of split {split!r}; looked in {looked}\n"
            "expected <photo_flickr_id>.jpg or another common extension"
        )
    return Dataset(_read_stories(file, pictures), require_all_pictures=options.get("stories") != "context")


def _find_annotations(folder: Path, split: str) -> Path:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (given by --data)")
    for candidate in (folder / "sis" / f"{split}{_SUFFIX}", folder / f"{split}{_SUFFIX}"):
        if candidate.is_file():
            return candidate
    files = [file for place in (folder / "sis", folder) for file in place.glob(f"*{_SUFFIX}") if file.is_file()]
    there = sorted(file.name.removesuffix(_SUFFIX) for file in files)
    hint = f"there is {', '.join(there)}: choose with --split" if there else "download the SIS files of VIST into sis/"
    raise InputError(f"{folder}: no sis/{split}{_SUFFIX}; {hint}")


def _read_stories(file: Path, pictures: Mapping[str, Path]) -> list[Example]:
    sentences: dict[str, list[tuple[int, str, str]]] = {}
    seen: dict[str, int] = {}
    for number, record in enumerate(list_of(read_json_file(file), "annotations", str(file))):
        where = f"{file}: annotations[{number}]"
        if not isinstance(record, list) or len(record) != 1 or not isinstance(record[0], dict):
            raise InputError(f"{where}: expected a list of one object, as in the official files")
        sentence = record[0]
        storylet = _text(sentence, "storylet_id", where)
        if storylet in seen:
            raise InputError(
                f"{where}[0].storylet_id: {storylet!r} is also that of annotations[{seen[storylet]}];"
                " storylet ids are unique"
            )
        seen[storylet] = number
        order = sentence.get("worker_arranged_photo_order")
        if isinstance(order, bool) or not isinstance(order, int):
            raise InputError(f"{where}[0].worker_arranged_photo_order: expected an integer, found {order!r}")
        story = _text(sentence, "story_id", where)
        sentences.setdefault(story, []).append(
            (order, _text(sentence, "text", where), _text(sentence, "photo_flickr_id", where))
        )
    if not sentences:
        raise InputError(f"{file}: annotations: the list is empty")
    return [_story(name, parts, pictures, file) for name, parts in sentences.items()]


def _story(name: str, sentences: list[tuple[int, str, str]], pictures: Mapping[str, Path], file: Path) -> Example:
    sentences.sort()
    orders = [order for order, _, _ in sentences]
    if len(sentences) != SENTENCES:
        raise InputError(f"{file}: story_id {name!r}: {len(sentences)} sentences, expected {SENTENCES}")
    if orders != list(range(SENTENCES)):
        raise InputError(
            f"{file}: story_id {name!r}: worker_arranged_photo_order {orders}, expected each place from 0 to"
            f" {SENTENCES - 1} once"
        )
    turns = tuple(Turn(text, Picture(photo, pictures.get(photo))) for _, text, photo in sentences)
    return Example(id=name, cluster="-".join(photo for _, _, photo in sentences), turns=turns, target=turns[-1].picture)


def _text(sentence: Mapping[str, Any], name: str, where: str) -> str:
    value = sentence.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and name != "text":
        return str(value)
    if isinstance(value, str) and not is_encodable(value):
        raise InputError(f"{where}[0].{name}: half of a surrogate pair, which is no text: {value!r}")
    if not isinstance(value, str) or not value.strip():
        raise InputError(
            f"{where}[0].{name}: expected text, found {value!r}"
            if name in sentence
            else f"{where}[0].{name}: the field is missing"
        )
    return value
