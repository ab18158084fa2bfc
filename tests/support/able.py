"""Runs of the model `able` (tests/cards), which has every capability and costs nothing, and readers of their files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gill_bench.cards.find import builtin_folder
from gill_bench.evaluate import Outcome, execute
from gill_bench.planning.plan import make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.rundir.rows import Row
from tests.support.runs import CARDS


def run_request(out: Path, *tasks: str, **changes: Any) -> RunRequest:
    """Request a run of `able` on tasks of the mini world; `changes` replace fields of the request."""
    return replace(RunRequest(tasks, out, models=("able",), device="cpu", workers=1, card_folders=(CARDS,)), **changes)


def run(out: Path, *tasks: str, **changes: Any) -> Outcome:
    return execute(make_plan(run_request(out, *tasks, **changes)))


def records(out: Path, task: str, context: str, model: str = "able") -> dict[str, dict[str, Any]]:
    """Read the records of a cell's samples.jsonl files by example, each with its "vector" if the unit has vectors."""
    by_example: dict[str, dict[str, Any]] = {}
    for file in sorted((out / "units" / task / model / context).glob("*/samples.jsonl")):
        vectors: Sequence[Any] | NDArray[np.float32] = ()
        if (file.parent / "vectors.npy").exists():
            vectors = np.load(file.parent / "vectors.npy")
        for row, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            record = json.loads(line)
            by_example[record["example"]] = record | ({"vector": vectors[row]} if len(vectors) else {})
    return by_example


def rows_by_metric(outcome: Outcome, context: str | None = None, model: str = "able") -> dict[tuple[str, int], Row]:
    """The rows of a model, and of one context if it is given, by metric and seed."""
    selected = [row for row in outcome.results.rows if row.model == model and context in (None, row.context)]
    by_metric = {(row.metric, row.seed): row for row in selected}
    assert len(by_metric) == len(selected)
    return by_metric


def counts(row: Row) -> tuple[int, int, int, int]:
    """Numbers of expected, scored, missing and failed samples."""
    return row.n_expected, row.n_scored, row.n_missing, row.n_failed


def cards_with_small_units(folder: Path, *tasks: str, at: str = "1,5,10,60") -> Path:
    """Write the cards of some tasks with units of 8 examples and with other values of k, and return their folder."""
    folder.mkdir()
    for task in tasks:
        text = (builtin_folder() / "tasks" / f"{task}.toml").read_text(encoding="utf-8")
        text = text.replace("unit_size = 64", "unit_size = 8").replace('at = "1,5,10"', f'at = "{at}"')
        (folder / f"{task}.toml").write_text(text, encoding="utf-8")
    return folder


KINDS = ("vist-retrieval", "vqav2", "visdial-answers")  # candidates and embeddings, texts, log-likelihoods


def chance_of_hit(scores: dict[str, np.float32], target: str, k: int) -> float:
    """The chance that the target is among the first k candidates when equal ones are put in random order."""
    better = sum(score > scores[target] for score in scores.values())
    ties = sum(score == scores[target] for score in scores.values()) - 1
    return float(min(1.0, max(0.0, (k - better) / (ties + 1))))


def dot_product(first: Any, second: Any) -> np.float32:
    """The dot product as the score of two embeddings is defined: summed in order, in double precision."""
    total = 0.0
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        total += a * b
    return np.float32(total)
