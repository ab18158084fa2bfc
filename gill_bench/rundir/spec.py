"""`spec.json`: what a run was asked for. Read here for every command, and never taken for another than was written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError
from gill_bench.rundir.folders import not_a_run
from gill_bench.storage.names import name_problem
from gill_bench.storage.sealed import SEAL, damaged, from_sealed_json, read_sealed, write_sealed

FILE = "spec.json"
SCHEMA_VERSION = 1
FORMAT = 2
"""Since 2 the file is sealed; before, it had no `format`."""
_FIRST_FORMAT = {"schema_version", "tasks", "cells"}
_CELL = {"task": str, "task_as": str, "model": str, "context": str, "seeds": list, "recipe": dict, "notes": list}
_TASK = {"card": dict, "data": str, "limit": int, "metric_weights": str}


def read_spec(run: Path) -> dict[str, Any]:
    """Read `spec.json`; an empty spec if there is none yet.

    Raises:
        DamagedFileError: It is not as it was written.
        InputError: It is of another version.
    """
    file = run / FILE
    mend = f"is {run} the folder of a run? If so, run the same command again: it writes the file anew"
    try:
        spec = read_sealed(file, mend, seal=False)
    except (FileNotFoundError, NotADirectoryError):
        return {"schema_version": SCHEMA_VERSION, "tasks": {}, "cells": []}
    try:
        if SEAL in spec or spec.keys() != _FIRST_FORMAT:
            spec = from_sealed_json(spec)
        _check(spec)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(file, error, mend) from error
    if spec["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            f"{file}: schema_version = {spec['schema_version']!r}, but this gill-bench reads {SCHEMA_VERSION};"
            " use another folder with --out"
        )
    return {name: value for name, value in spec.items() if name in _FIRST_FORMAT}


def write_spec(run: Path, spec: Mapping[str, Any]) -> None:
    """Write `spec.json`, sealed."""
    write_sealed(run / FILE, {**spec, "format": FORMAT}, indent=1)


def seal_spec(run: Path) -> None:
    """Seal a `spec.json` of an older version, which has no seal; any other stays as it is.

    Raises:
        InputError: As `read_spec`.
    """
    spec = read_spec(run)
    if SEAL not in read_sealed(run / FILE, "", seal=False):
        write_spec(run, spec)


def no_spec(run: Path) -> InputError:
    """The error for a folder without `spec.json`, and what that means."""
    if not (run / "units").is_dir():
        return not_a_run(run)
    return InputError(
        f"{run}: no {FILE}, which says what was asked for; run the same command again: it writes the file anew"
    )


def _check(spec: Mapping[str, Any]) -> None:
    """Raise an error if a field is absent or of another kind, or a name is none."""
    _ = spec["schema_version"]
    for name, task in spec["tasks"].items():
        _check_fields(task, _TASK, f"tasks.{name}")
    for place, cell in enumerate(spec["cells"]):
        _check_fields(cell, _CELL, f"cells[{place}]")
        for field in ("task", "model", "context"):
            problem = name_problem(cell[field])
            if problem:
                raise ValueError(f"cells[{place}].{field} = {cell[field][:80]!r} {problem}")
        _ = spec["tasks"][cell["task_as"]]


def _check_fields(entry: Any, kinds: Mapping[str, type], where: str) -> None:
    for field, kind in kinds.items():
        if not isinstance(entry[field], kind):
            raise ValueError(f"{where}.{field}: expected {kind.__name__}, found {type(entry[field]).__name__}")
