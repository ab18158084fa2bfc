"""Visual Dialog v1.0, as the official `visdial_1.0_<split>.json` with its tables of questions and answers.

Facts in protocol 3.2: a prompt is the first n rounds, each "Q: <question>?" and "A: <answer>" on a line of its own,
without the caption, without a period after answers and without a newline at the end.
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

ROUNDS = 10
_GRAMMAR = re.compile(r"([0-9]|10)-rounds?")


@dataclass(frozen=True, slots=True)
class RoundContext:
    """The first `rounds` rounds of a dialog, as one text."""

    rounds: int

    @property
    def name(self) -> str:
        """Canonical name.

        >>> RoundContext(1).name, RoundContext(10).name
        ('1-round', '10-rounds')
        """
        return f"{self.rounds}-round{'s' * (self.rounds != 1)}"

    @property
    def asks(self) -> Asks | None:
        """What the task's capability asks for."""
        return None

    @property
    def inputs(self) -> frozenset[str]:
        """Text alone."""
        return frozenset({"text"})

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt, one string."""
        return ("\n".join(turn.text for turn in example.turns[: self.rounds]),)


def context(name: str) -> RoundContext:
    """Parse `{n}-rounds` with 1 <= n <= 10.

    Raises:
        InputError: The name is not of this form, or asks for more than a dialog has.
    """
    match = _GRAMMAR.fullmatch(name)
    if match is None or not 1 <= int(match[1]) <= ROUNDS:
        near = [RoundContext(n).name for n in range(1, ROUNDS + 1)]
        hint = did_you_mean(name, near)
        raise InputError(f"unknown context {name!r}: expected {{n}}-rounds, n from 1 to {ROUNDS}; {hint}")
    return RoundContext(int(match[1]))


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the dialogs of a split, in the order of the file.

    Args:
        folder: Holds `visdial_1.0_<split>.json`, and the pictures as `VisualDialog_<split>2018_<id, 12 digits>.jpg` (or
            another extension) in `VisualDialog_<split>2018/`, `images/` or the folder itself.
        split: "val" or "test".
        options: Not used here.

    Raises:
        InputError: The file is absent or malformed.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (given by --data)")
    file = folder / f"visdial_1.0_{split}.json"
    if not file.is_file():
        there = sorted(found.name for found in folder.glob("visdial_1.0_*.json"))
        raise InputError(f"{folder}: no {file.name}; there is {', '.join(there) or 'no other split either'}")
    name = f"VisualDialog_{split}2018"
    pictures = index_pictures([folder / name, folder / "images" / name, folder / "images", folder])
    data = read_json_file(file).get("data")
    questions, answers = (list_of(data, key, f"{file}: data") for key in ("questions", "answers"))
    examples, seen = [], set()
    for number, dialog in enumerate(list_of(data, "dialogs", f"{file}: data")):
        where = f"{file}: data.dialogs[{number}]"
        image = dialog.get("image_id") if isinstance(dialog, dict) else None
        if isinstance(image, bool) or not isinstance(image, int):
            raise InputError(f"{where}.image_id: expected an integer, found {image!r}")
        if image in seen:
            raise InputError(f"{where}.image_id: {image} has a dialog already; image ids are unique")
        seen.add(image)
        rounds = list_of(dialog, "dialog", where)
        if len(rounds) != ROUNDS:
            raise InputError(f"{where}.dialog: {len(rounds)} rounds, expected {ROUNDS}")
        turns = tuple(
            Turn(_round(one, questions, answers, f"{where}.dialog[{place}]")) for place, one in enumerate(rounds)
        )
        stem = f"{name}_{image:012d}"
        examples.append(Example(str(image), str(image), turns, Picture(stem, pictures.get(stem))))
    if not examples:
        raise InputError(f"{file}: data.dialogs: the list is empty")
    return Dataset(examples)


def _round(one: Any, questions: list[Any], answers: list[Any], where: str) -> str:
    question, answer = (_entry(one, key, table, where) for key, table in (("question", questions), ("answer", answers)))
    return f"Q: {question}?\nA: {answer}"


def _entry(one: Any, key: str, table: list[Any], where: str) -> str:
    place = one.get(key) if isinstance(one, dict) else None
    if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(table):
        raise InputError(f"{where}.{key}: expected a place in data.{key}s (0 to {len(table) - 1}), found {place!r}")
    text = table[place]
    if not isinstance(text, str) or not is_encodable(text):
        raise InputError(f"{where}.{key}: data.{key}s[{place}] is no text: {text!r}")
    return text
