"""Visual Dialog v1.0, for finding the picture that a dialog is about among those of all dialogs.

The facts are in protocol 3.6: a prompt is the first n rounds, each "Q: <question>? A: <answer>.", joined by single
spaces; unlike in generation, answers get a period.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset
from gill_bench.datasets.contexts import RoundContext, parse_rounds
from gill_bench.datasets.visdial_files import examples_of, read_dialogs


def context(name: str) -> RoundContext:
    """Parse `{n}-rounds` with 1 <= n <= 10; asks for embeddings."""
    return RoundContext(parse_rounds(name), separator=" ", asks="embeddings")


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the dialogs of a split, in the order of the file; the candidates are their pictures, in the same order.

    `read_dialogs` describes folder and splits.
    """
    dialogs = read_dialogs(folder, split)
    examples = examples_of(dialogs, "Q: {question}? A: {answer}.")
    return Dataset(examples, candidates=[dialog.picture for dialog in dialogs])
