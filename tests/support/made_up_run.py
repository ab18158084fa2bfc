"""A run directory whose values a test chooses; no model makes it and no metric scores it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from gill_bench.rundir.reader import RunReader
from gill_bench.storage.digests import digest
from tests.support.runs import seal_again, write_made_up_spec

UNIT, SCORES = "0" * 16, f"score-q-{12 * '0'}.json"


def made_up(
    folder: Path,
    values: np.ndarray,
    *,
    signature: str = "gill-bench:1|net:a",
    failed: int = 0,
    trivial: float | None = None,
) -> RunReader:
    """Write a run of one metric, "q", and open it.

    Args:
        folder: The run's folder.
        values: The metric's values (examples, seeds); three examples form a cluster.
        signature: The signature of the rows.
        failed: Number of failed examples that the rows report.
        trivial: The value of a trivial answer, if the rows have one.
    """
    recipe = {"version": 1}
    unit = folder / "units" / "vist" / "m" / "c" / UNIT
    unit.mkdir(parents=True)
    samples = [
        {"example": str(e), "seed": s, "image": "x.png", "flagged": False, "truncated": False, "cluster": str(e // 3)}
        for e in range(len(values))
        for s in range(values.shape[1])
    ]
    (unit / "samples.jsonl").write_text("\n".join(map(json.dumps, samples)) + "\n")
    files = {"samples.jsonl": "", "x.png": ""}
    commit = {
        "task": "vist",
        "model": "m",
        "context": "c",
        "recipe": digest(recipe),
        "files": files,
        "examples": [[str(e), ""] for e in range(len(values))],
        "seeds": list(range(values.shape[1])),
    }
    (unit / "unit.json").write_text(json.dumps(commit))
    scores = [[str(e), s, float(values[e, s])] for e in range(len(values)) for s in range(values.shape[1])]
    (unit / SCORES).write_text(json.dumps({"metric": "q", "signature": "net:a", "values": scores, "references": {}}))
    cell = {"task": "vist", "model": "m", "context": "c", "recipe": recipe}
    write_made_up_spec(folder, [cell])
    rows = [
        {
            "task": "vist",
            "model": "m",
            "context": "c",
            "seed": s,
            "metric": "q",
            "value": float(values[:, s].mean()),
            "higher_is_better": True,
            "n_available": len(values),
            "n_expected": len(values),
            "n_scored": len(values) - failed,
            "n_missing": 0,
            "n_failed": failed,
            "n_truncated": 0,
            "n_flagged": 0,
            "signature": signature,
            "model_signature": "",
            "trivial": trivial,
            "trivial_answer": "" if trivial is None else "anything",
        }
        for s in range(values.shape[1])
    ]
    content = {"schema_version": 1, "rows": rows, "missing": [], "notes": []}
    (folder / "results.json").write_text(json.dumps(content))
    seal_again(folder)
    return RunReader.open(folder)
