"""Runs on the mini world of the model that costs nothing and can do everything, and what they stored."""

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


def ask(out: Path, *tasks: str, **changes: Any) -> RunRequest:
    return replace(RunRequest(tasks, out, models=("able",), device="cpu", workers=1, card_folders=(CARDS,)), **changes)


def run(out: Path, *tasks: str, **changes: Any) -> Outcome:
    return execute(make_plan(ask(out, *tasks, **changes)))


def records(out: Path, task: str, context: str, model: str = "able") -> dict[str, dict[str, Any]]:
    """The records of samples.jsonl by example, with the vector if a unit has vectors."""
    by_example: dict[str, dict[str, Any]] = {}
    for file in sorted((out / "units" / task / model / context).glob("*/samples.jsonl")):
        vectors: Sequence[Any] | NDArray[np.float32] = ()
        if (file.parent / "vectors.npy").exists():
            vectors = np.load(file.parent / "vectors.npy")
        for row, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            record = json.loads(line)
            by_example[record["example"]] = record | ({"vector": vectors[row]} if len(vectors) else {})
    return by_example


def rows(outcome: Outcome, context: str | None = None, model: str = "able") -> dict[tuple[str, int], Row]:
    """Rows by metric and seed."""
    selected = [row for row in outcome.results.rows if row.model == model and context in (None, row.context)]
    by_metric = {(row.metric, row.seed): row for row in selected}
    assert len(by_metric) == len(selected)
    return by_metric


def counts(row: Row) -> tuple[int, int, int, int]:
    return row.n_expected, row.n_scored, row.n_missing, row.n_failed


def small_units(folder: Path, *tasks: str, at: str = "1,5,10,60") -> Path:
    """A folder with the cards of some tasks, in units of 8, and with other values of k."""
    folder.mkdir()
    for task in tasks:
        text = (builtin_folder() / "tasks" / f"{task}.toml").read_text(encoding="utf-8")
        text = text.replace("unit_size = 64", "unit_size = 8").replace('at = "1,5,10"', f'at = "{at}"')
        (folder / f"{task}.toml").write_text(text, encoding="utf-8")
    return folder


KINDS = ("vist-retrieval", "vqav2", "visdial-answers")  # candidates and embeddings, texts, log-likelihoods


def expected_hit(scores: dict[str, np.float32], target: str, k: int) -> float:
    """Chance of a target among the first k, equal ones in random order."""
    better = sum(score > scores[target] for score in scores.values())
    ties = sum(score == scores[target] for score in scores.values()) - 1
    return float(min(1.0, max(0.0, (k - better) / (ties + 1))))


def product(first: Any, second: Any) -> np.float32:
    """The score of two embeddings as it is defined: summed in order, in double precision."""
    total = 0.0
    for a, b in zip(first.tolist(), second.tolist(), strict=True):
        total += a * b
    return np.float32(total)
