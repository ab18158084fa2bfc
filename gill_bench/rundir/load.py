"""Opening the files of a run: one function per kind of file, which returns the file's record (`records.py`).

Nothing else opens a file of a run to read it.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, get_args

from gill_bench.errors import InputError, command
from gill_bench.rundir.folders import not_a_run
from gill_bench.rundir.records import SCHEMA_VERSION, LossReason
from gill_bench.rundir.rows import Missing, Results, Row, Unmade
from gill_bench.storage.names import name_problem
from gill_bench.storage.sealed import damaged, read_sealed


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
        return Results(rows, missing, tuple(raw["notes"]), tuple(map(_unmade, raw.get("unmade", ()))))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_scored(file.parent) from error
    except ValueError as error:
        raise damaged(file, error, mend) from error
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{file}: key {error} is missing or unknown; score the run again with: {command('score', file.parent)}"
        ) from error


def _not_scored(run: Path) -> InputError:
    """The reason why a folder has no results: the run is not finished, or it is the folder of none."""
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
    """A row of which every field is of its kind; `ValueError` names the first that is not.

    Counts that older versions did not tell apart are 0.
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
