"""Visual Dialog v1.0, for generating the picture that a dialog is about.

Facts in protocol 3.2: a prompt is the first n rounds, each "Q: <question>?" and "A: <answer>" on a line of its own,
without the caption, without a period after answers and without a newline at the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.visdial_files import ROUNDS, read_dialogs
from gill_bench.errors import InputError, did_you_mean
from gill_bench.interfaces import OutputKind

_GRAMMAR = re.compile(r"([0-9]|10)-rounds?")


@dataclass(frozen=True, slots=True)
class RoundContext:
    """The first `rounds` rounds of a dialog, as one text with `separator` between them."""

    rounds: int
    separator: str = "\n"
    asks: OutputKind | None = None
    inputs: frozenset[str] = frozenset({"text"})

    @property
    def name(self) -> str:
        """Canonical name.

        >>> RoundContext(1).name, RoundContext(10).name
        ('1-round', '10-rounds')
        """
        return f"{self.rounds}-round{'s' * (self.rounds != 1)}"

    def segments(self, example: Example, prompt: Mapping[str, Value]) -> tuple[str | Picture, ...]:
        """The prompt, one string."""
        return (self.separator.join(turn.text for turn in example.turns[: self.rounds]),)


def context(name: str) -> RoundContext:
    """Parse `{n}-rounds` with 1 <= n <= 10.

    Raises:
        InputError: The name is not of this form, or asks for more than a dialog has.
    """
    return RoundContext(parse_rounds(name))


def parse_rounds(name: str) -> int:
    """The n of a context's name; errors as `context`."""
    match = _GRAMMAR.fullmatch(name)
    if match is None or not 1 <= int(match[1]) <= ROUNDS:
        near = [RoundContext(n).name for n in range(1, ROUNDS + 1)]
        hint = did_you_mean(name, near)
        raise InputError(f"unknown context {name!r}: expected {{n}}-rounds, n from 1 to {ROUNDS}; {hint}")
    return int(match[1])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the dialogs of a split, in the order of the file.

    Args:
        folder: See `gill_bench.datasets.visdial_files.read_dialogs`.
        split: "val"; any other in the same format.
        options: Not used here.

    Raises:
        InputError: The file is absent or malformed, or there are no pictures at all.
    """
    return Dataset(
        [
            Example(
                str(dialog.image),
                str(dialog.image),
                tuple(Turn(f"Q: {one.question}?\nA: {one.answer}") for one in dialog.rounds),
                dialog.picture,
            )
            for dialog in read_dialogs(folder, split)
        ]
    )
