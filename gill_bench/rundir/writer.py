"""Writing the files of a run, each atomically; equal records give equal bytes."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from gill_bench.rundir.records import RESULTS, SCHEMA_VERSION
from gill_bench.rundir.rows import Results
from gill_bench.storage.sealed import write_sealed


def write_results(run: Path, results: Results) -> None:
    """Write `results.json`."""
    value = {
        "schema_version": SCHEMA_VERSION,
        "notes": list(results.notes),
        "rows": [asdict(row) for row in results.rows],
        "missing": [asdict(item) for item in results.missing],
        "unmade": [asdict(item) for item in results.unmade],
    }
    write_sealed(run / RESULTS, value, indent=1)
