"""The official files of Visual Dialog v1.0: `visdial_1.0_<split>.json` with its tables of questions and answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from gill_bench.datasets import Example, Picture, Turn
from gill_bench.datasets.contexts import ROUNDS
from gill_bench.datasets.files import find_split_file, integer_of, is_encodable, list_of, shown
from gill_bench.datasets.pictures import index_pictures, no_pictures
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json

ANSWERS = 100
"""The number of answers to choose from in each round."""


class Round(NamedTuple):
    """A round: question, answer and, if `read_dialogs` reads them, the 100 options and the true option's position."""

    question: str
    answer: str
    options: tuple[str, ...] = ()
    gt_index: int = 0


class Dialog(NamedTuple):
    """A dialog of ten rounds, with the id and the picture of its image."""

    image: int
    picture: Picture
    rounds: tuple[Round, ...]


def read_dialogs(folder: Path, split: str, *, options: bool = False) -> list[Dialog]:
    """Read the dialogs of a split, in the order of the file.

    To save memory, each of a million options refers to a text of the file's tables and is not a copy.

    Args:
        folder: The folder with `visdial_1.0_<split>.json`, and with the pictures as
            `VisualDialog_<split>2018_<id, 12 digits>.jpg` (or another extension) in `VisualDialog_<split>2018/`,
            `images/` or the folder itself.
        split: "val", or another split in the same format.
        options: Whether to read the options and the position of the true option, which all rounds must then have.

    Raises:
        InputError: The file is absent or malformed, or there are no pictures at all.
    """
    file = find_split_file(folder, split, "visdial_1.0_{split}.json", (".",), "download VisDial v1.0")
    name = f"VisualDialog_{split}2018"
    folders = [folder / name, folder / "images" / name, folder / "images", folder]
    pictures = index_pictures(folders)
    data = read_json(file).get("data")
    questions, answers = (_table(data, key, f"{file}: data") for key in ("questions", "answers"))
    dialogs: dict[int, Dialog] = {}
    for number, dialog in enumerate(list_of(data, "dialogs", f"{file}: data")):
        where = f"{file}: data.dialogs[{number}]"
        image = integer_of(dialog, "image_id", where)
        if image in dialogs:
            raise InputError(f"{where}.image_id: {image} has a dialog already; image ids are unique")
        records = list_of(dialog, "dialog", where)
        if len(records) != ROUNDS:
            raise InputError(f"{where}.dialog: {len(records)} rounds, expected {ROUNDS}")
        rounds = []
        for position, record in enumerate(records):
            round_where = f"{where}.dialog[{position}]"
            question = questions[_position(record, "question", len(questions), "data.questions", round_where)]
            answer = answers[_position(record, "answer", len(answers), "data.answers", round_where)]
            chosen = _options(record, answers, round_where) if options else ((), 0)
            rounds.append(Round(question, answer, *chosen))
        stem = f"{name}_{image:012d}"
        dialogs[image] = Dialog(image, Picture(stem, pictures.get(stem)), tuple(rounds))
    if not dialogs:
        raise InputError(f"{file}: data.dialogs: the list is empty")
    if not any(dialog.picture.file for dialog in dialogs.values()):
        raise no_pictures(folder, split, folders, f"{name}_<image id, 12 digits>.jpg or another common extension")
    return list(dialogs.values())


def examples_of(dialogs: Sequence[Dialog], wording: str) -> list[Example]:
    """One example for each dialog, with its picture as target.

    Args:
        dialogs: The dialogs.
        wording: The text of a round, with `{question}` and `{answer}` in it.
    """
    return [
        Example(
            str(dialog.image),
            str(dialog.image),
            tuple(Turn(wording.format(question=item.question, answer=item.answer)) for item in dialog.rounds),
            dialog.picture,
        )
        for dialog in dialogs
    ]


def _table(data: Any, key: str, where: str) -> list[str]:
    table = list_of(data, key, where)
    for position, text in enumerate(table):
        if not isinstance(text, str) or not is_encodable(text):
            raise InputError(f"{where}.{key}[{position}] is no text: {shown(text)}")
    return table


def _position(record: Any, key: str, length: int, table: str, where: str) -> int:
    position = record.get(key) if isinstance(record, dict) else None
    if not _is_position(position, length):
        raise InputError(f"{where}.{key}: expected a position in {table} (0 to {length - 1}), found {shown(position)}")
    return position


def _is_position(value: object, length: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < length


def _options(record: Any, answers: Sequence[str], where: str) -> tuple[tuple[str, ...], int]:
    positions = list_of(record, "answer_options", where)
    if len(positions) != ANSWERS:
        raise InputError(f"{where}.answer_options: {len(positions)} options, expected {ANSWERS}")
    for number, position in enumerate(positions):
        if not _is_position(position, len(answers)):
            raise InputError(
                f"{where}.answer_options[{number}]: expected a position in data.answers (0 to {len(answers) - 1}),"
                f" found {shown(position)}"
            )
    return tuple(answers[position] for position in positions), _position(
        record, "gt_index", ANSWERS, "answer_options", where
    )
