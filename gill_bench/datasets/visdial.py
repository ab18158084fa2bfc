"""Visual Dialog v1.0, for generating the picture that a dialog is about.

The facts are in protocol 3.2: a prompt is the first n rounds, each with "Q: <question>?" and "A: <answer>" on lines of
their own, without the caption, without a period after answers and without a newline at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset
from gill_bench.datasets.contexts import RoundContext, parse_rounds
from gill_bench.datasets.visdial_files import examples_of, read_dialogs


def context(name: str) -> RoundContext:
    """Parse `{n}-rounds` with 1 <= n <= 10."""
    return RoundContext(parse_rounds(name))


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the dialogs of a split, in the order of the file; `read_dialogs` describes folder and splits."""
    return Dataset(examples_of(read_dialogs(folder, split), "Q: {question}?\nA: {answer}"))
