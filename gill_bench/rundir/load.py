"""Opens the files of a run: one function per kind of file, which returns the file's record (`records.py`).

Files of units are opened by `load_units.py`, and `reader.py` reads a finished run through both. No other module opens
files of a run to read them (`tests/test_architecture.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from gill_bench.errors import InputError, command
from gill_bench.interfaces import Score
from gill_bench.rundir.folders import not_a_run
from gill_bench.rundir.probes import PROBES, ContextProbe, ProbedPart
from gill_bench.rundir.records import (
    ENVIRONMENT,
    RESULTS,
    SCHEMA_VERSION,
    SPEC,
    CellScores,
    FailureRecord,
    LossReason,
    PictureScores,
    Reason,
    Session,
    Spec,
    SpecCell,
    SpecTask,
)
from gill_bench.rundir.rows import Missing, Results, Row, Unmade
from gill_bench.storage.arrays import map_array
from gill_bench.storage.files import local_copy
from gill_bench.storage.names import name_problem
from gill_bench.storage.sealed import (
    SEAL,
    DamagedFileError,
    check_is_file,
    damaged,
    from_sealed_json,
    read_file,
    read_sealed,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_FIRST_FORMAT = {"schema_version", "tasks", "cells"}
_CELL = {"task": str, "task_as": str, "model": str, "context": str, "seeds": list, "recipe": dict, "notes": list}
_TASK = {"card": dict, "data": str, "limit": int, "metric_weights": str}
_DIGEST = 32  # bytes of a SHA-256
_WRONG = (ValueError, KeyError, TypeError, AttributeError)  # the errors of reading a field of another kind


def read_spec(run: Path) -> Spec:
    """Read `spec.json`; an empty spec if there is none yet.

    Raises:
        DamagedFileError: The file is not as it was written.
        InputError: The file is of another version.
    """
    file = run / SPEC
    mend = f"is {run} the folder of a run? If so, run the same command again: it writes the file anew"
    try:
        raw = read_sealed(file, mend, seal=False)
    except (FileNotFoundError, NotADirectoryError):
        return Spec()
    try:
        if SEAL in raw or raw.keys() != _FIRST_FORMAT:
            raw = from_sealed_json(raw)
        version, spec = raw["schema_version"], _spec(raw)
    except _WRONG as error:
        raise damaged(file, error, mend) from error
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{file}: schema_version = {version!r}, but this gill-bench reads {SCHEMA_VERSION};"
            " use another folder with --out"
        )
    return spec


def _spec(raw: Mapping[str, Any]) -> Spec:
    for name, task in raw["tasks"].items():
        _check_fields(task, _TASK, f"tasks.{name}")
    cells = []
    for number, cell in enumerate(raw["cells"]):
        _check_fields(cell, _CELL, f"cells[{number}]")
        for field in ("task", "model", "context"):
            problem = name_problem(cell[field])
            if problem:
                raise ValueError(f"cells[{number}].{field} = {cell[field][:80]!r} {problem}")
        _ = raw["tasks"][cell["task_as"]]
        fields_ = {name: cell[name] for name in ("task", "task_as", "model", "context", "recipe")}
        row_seeds = tuple(cell["row_seeds"]) if "row_seeds" in cell else None
        usable = int(cell["usable"]) if "usable" in cell else None
        seeds, notes = tuple(cell["seeds"]), tuple(cell["notes"])
        cells.append(SpecCell(**fields_, seeds=seeds, notes=notes, row_seeds=row_seeds, usable=usable))
    tasks = {name: SpecTask(**{field: task[field] for field in _TASK}) for name, task in raw["tasks"].items()}
    return Spec(tasks, tuple(cells))


def _check_fields(entry: Any, kinds: Mapping[str, type], where: str) -> None:
    for field, kind in kinds.items():
        if not isinstance(entry[field], kind):
            raise ValueError(f"{where}.{field}: expected {kind.__name__}, found {type(entry[field]).__name__}")


def read_sessions(run: Path) -> list[Session]:
    """The sessions in `env.json`, in order; none if the file is not there.

    Raises:
        DamagedFileError: The file is not as it was written.
    """
    known = [field.name for field in fields(Session)]
    return [Session(**{name: raw[name] for name in known if name in raw}) for raw in raw_sessions(run)]


def raw_sessions(run: Path) -> list[dict[str, Any]]:
    """The sessions in `env.json` as JSON objects, with the keys of other versions, to be written again."""
    file = run / ENVIRONMENT
    mend = "nothing depends on it: run the same command again, which puts it aside and begins it anew"
    try:
        sessions = read_sealed(file, mend, seal=False)["sessions"]
        if not isinstance(sessions, list) or not all(isinstance(session, dict) for session in sessions):
            raise TypeError("sessions: expected a list of objects")
    except FileNotFoundError:
        return []
    except (KeyError, TypeError) as error:
        raise damaged(file, error, mend) from error
    return sessions


def threads_of_last_session(run: Path) -> int:
    """CPU threads of the command that last worked on a run, at most as many as this machine has; 0 if unknown."""
    try:
        threads = read_sessions(run)[-1].threads
    except (DamagedFileError, IndexError):
        return 0
    return min(threads, os.cpu_count() or 1) if isinstance(threads, int) and threads > 0 else 0


def read_failure(file: Path) -> FailureRecord:
    """Read the record of an example that has no output.

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged.
    """
    try:
        raw = from_sealed_json(read_file(file).decode("utf-8"))
        if raw["outcome"] not in ("failed", "refused"):
            raise ValueError("the outcome is neither failed nor refused")
        reason = Reason(raw["outcome"], *(str(raw[name]) for name in ("type", "message", "where", "traceback")))
        seeds = tuple(int(seed) for seed in raw["seeds"])
        return FailureRecord(file.name, str(raw["example"]), str(raw["content"]), str(raw["recipe"]), seeds, reason)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a field is missing or of another kind: {error}") from error


def read_picture_scores(file: Path, mend: str) -> PictureScores:
    """Read the values of a unit's pictures.

    Args:
        file: The file.
        mend: How to have the file made again, for the error.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file is not as it was written.
    """
    raw = read_sealed(file, mend)
    try:
        values = tuple((name, seed, float(value)) for name, seed, value in raw["values"])
        others = {name: float(value) for name, value in raw.get("others", {}).items()}
        return PictureScores(raw["metric"], raw["signature"], raw.get("content", ""), values, raw["references"], others)
    except _WRONG as error:
        raise damaged(file, error, mend) from error


def read_cell_scores(file: Path, mend: str) -> CellScores:
    """Read the numbers of a cell; arguments and errors as those of `read_picture_scores`."""
    raw = read_sealed(file, mend)
    try:
        scores = tuple(
            Score(**{**score, "where": tuple(score["where"]) if score["where"] else None}) for score in raw["scores"]
        )
        return CellScores(raw["signature"], raw.get("content", ""), scores)
    except _WRONG as error:
        raise damaged(file, error, mend) from error


def read_features(file: Path) -> tuple[NDArray[np.float32], str]:
    """Read features (pictures, width), and the digest of the unit's files they were made of, or "".

    Raises:
        OSError: The file cannot be read.
        ValueError: The file is damaged, or was altered since.
    """
    copy = local_copy(file)
    check_is_file(copy)
    features = map_array(copy)
    content = copy.read_bytes()
    rest = len(content) - features.offset - features.nbytes
    if rest not in (_DIGEST, 2 * _DIGEST) or hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
        raise ValueError("altered since it was written: its SHA-256 differs")
    return features, content[-rest:-_DIGEST].hex()


def read_probes(run: Path) -> tuple[ContextProbe, ...]:
    """Read `probes.json`; no probes if the file is not there.

    Raises:
        DamagedFileError: The file is not as it was written.
    """
    file = run / PROBES
    mend = "delete it, and probe again with: gill-bench run ... --probe"
    try:
        raw = read_sealed(file, mend)
        return tuple(_probe(probe) for probe in raw["probes"])
    except FileNotFoundError:
        return ()
    except _WRONG as error:
        raise damaged(file, error, mend) from error


def _probe(raw: Mapping[str, Any]) -> ContextProbe:
    parts = tuple(ProbedPart(**part) for part in raw["parts"])
    lists = {name: tuple(raw[name]) for name in ("examples", "notes")}
    return ContextProbe(**{**raw, **lists, "parts": parts})


def _valid_probes(run: Path) -> tuple[ContextProbe, ...]:
    """The probes of cells whose recipe has not changed since."""
    probes = read_probes(run)
    spec = read_spec(run) if probes else Spec()
    recipes = {cell.cell_key: cell.recipe_digest for cell in spec.cells}
    return tuple(probe for probe in probes if recipes.get(probe.cell_key) == probe.recipe)


def read_results(file: Path) -> Results:
    """Read `results.json`.

    Raises:
        InputError: The file is absent, damaged, or of a version this gill-bench does not read.
    """
    mend = f"write it again with: {command('score', file.parent)}"
    try:
        raw = read_sealed(file, mend)
        version = raw["schema_version"]
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{file}: schema_version = {version!r}, but this gill-bench reads {SCHEMA_VERSION};"
                f" score the run again with: {command('score', file.parent)}"
            )
        rows = tuple(_row(number, row) for number, row in enumerate(raw["rows"]))
        missing = tuple(Missing(**item) for item in raw["missing"])
        unmade = tuple(map(_unmade, raw.get("unmade", ())))
        return Results(rows, missing, tuple(raw["notes"]), unmade, _valid_probes(file.parent))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_scored(file.parent) from error
    except ValueError as error:
        raise damaged(file, error, mend) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file}: key {error} is missing or unknown; score the run again with: {command('score', file.parent)}"
        ) from error


def results_text(run: Path) -> str:
    """The JSON text of `results.json`, as it was written."""
    return read_file(run / RESULTS).decode("utf-8")


def _not_scored(run: Path) -> InputError:
    """The error for a folder without results: the run is not scored yet, or the folder is not that of a run."""
    if not (run / "spec.json").is_file():
        return not_a_run(run)
    return InputError(
        f"{run}: not scored yet; finish it with the command that made it,"
        f" or score what is there: {command('score', run)}"
    )


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float | None": (float, int, type(None)),
}


def _row(number: int, raw: dict[str, Any]) -> Row:
    """A row from its JSON; `ValueError` names the first field that is of another kind.

    Counts that an older version does not have are 0.
    """
    values: dict[str, Any] = {}
    for known in fields(Row):
        value = raw[known.name] if known.default is MISSING else raw.get(known.name, known.default)
        wrong = not isinstance(value, _KINDS[str(known.type)]) or (isinstance(value, bool) and known.type != "bool")
        if wrong or (known.name.startswith("n_") and value < 0):
            raise ValueError(f"rows[{number}].{known.name} = {value!r}"[:120])
        problem = name_problem(value) if known.name in ("task", "model", "context") else ""
        if problem:
            raise ValueError(f"rows[{number}].{known.name} = {value[:80]!r} {problem}")
        values[known.name] = value
    return Row(**values)


def _unmade(raw: dict[str, Any]) -> Unmade:
    if raw["outcome"] not in get_args(LossReason):
        raise ValueError(f"unmade: outcome = {raw['outcome']!r}"[:120])
    return Unmade(**{**raw, "seeds": tuple(raw["seeds"]), "examples": tuple(raw["examples"])})
