"""Rows: the tidy results of a run, one per task, model, context, seed and metric.

Everything that is shown (tables, comparisons, checks) is computed from rows. `results.json` holds them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, command
from gill_bench.files import sealed, to_json, write_atomic
from gill_bench.reading import from_sealed_json

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, order=True)
class Row:
    """One number and what must be known to believe it.

    Attributes:
        task: Name of the task card.
        model: Name of the model card.
        context: Canonical name of the context, such as `5-captions-4-images`.
        seed: The seed, 0, 1, ...
        metric: Registered name; with a stand-in backbone its name in brackets, such as `lpips[mini]`.
        value: Mean over the scored examples; None if nothing was scored.
        higher_is_better: Which way the metric points.
        n_available: Examples in the data; more than `n_expected` where a limit was set.
        n_expected: Examples asked for.
        n_scored: Examples in `value`.
        n_missing: Examples left out because data is missing or unreadable (listed in results.json).
        n_failed: Examples whose output is not there: the model failed on them, or the run was stopped.
        n_truncated: Scored examples whose prompt the model had to cut.
        n_flagged: Scored examples whose picture the safety checker blackened.
        signature: Encoder, preprocessing, protocol and data. Numbers with different signatures never share a column.
        model_signature: How the model was run: adapter, settings, content of its weights. Numbers of a model with
            different ones never share a table.
    """

    task: str
    model: str
    context: str
    seed: int
    metric: str
    value: float | None
    higher_is_better: bool
    n_available: int
    n_expected: int
    n_scored: int
    n_missing: int
    n_failed: int
    n_truncated: int
    n_flagged: int
    signature: str
    model_signature: str


@dataclass(frozen=True, slots=True)
class Missing:
    """One example that could not be asked, and why."""

    task: str
    example: str
    reason: str


@dataclass(frozen=True, slots=True)
class Results:
    """The content of `results.json`.

    Attributes:
        rows: Sorted.
        missing: Sorted by task, in the order of the data.
        notes: Sentences that every table must carry, such as that the weights are small and random.
    """

    rows: tuple[Row, ...]
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()

    def write(self, file: Path) -> None:
        """Write atomically; equal results give equal bytes."""
        value = {
            "schema_version": SCHEMA_VERSION,
            "notes": list(self.notes),
            "rows": [asdict(row) for row in self.rows],
            "missing": [asdict(item) for item in self.missing],
        }
        write_atomic(file, (to_json(sealed(value), indent=1) + "\n").encode())


def read_results(file: Path) -> Results:
    """Read `results.json`.

    Raises:
        InputError: The file is absent, damaged, or of a version this gill-bench does not read.
    """
    try:
        raw: dict[str, Any] = from_sealed_json(file.read_text(encoding="utf-8"))
        version = raw["schema_version"]
        if version != SCHEMA_VERSION:
            raise InputError(
                f"{file}: schema_version = {version!r}, but this gill-bench reads {SCHEMA_VERSION};"
                f" score the run again with: {command('score', file.parent)}"
            )
        rows = tuple(_row(number, row) for number, row in enumerate(raw["rows"]))
        missing = tuple(Missing(**item) for item in raw["missing"])
        return Results(rows, missing, tuple(raw["notes"]))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise _not_scored(file.parent) from error
    except ValueError as error:
        again = command("score", file.parent)
        raise InputError(f"{file}: damaged ({error}); write it again with: {again}") from error
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


def not_a_run(folder: Path) -> InputError:
    """The reason why a path cannot be read as a run directory, with what may have been meant."""
    try:
        if folder.is_file():
            return InputError(f"{folder}: a file; expected the folder of a run, which holds spec.json")
        if not folder.exists():
            return InputError(f"{folder}: no such folder; expected the folder of a run, which holds spec.json")
        below = sorted(file.parent for file in folder.glob("*/spec.json"))
    except OSError as error:
        return InputError(f"{folder}: cannot be read ({error.strerror})")
    others = "; runs below it: " + ", ".join(map(str, below[:3])) if below else ""
    return InputError(f"{folder}: no spec.json; this is not the folder of a run{others}")


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "bool": (bool,),
    "float | None": (float, int, type(None)),
}


def _row(number: int, raw: dict[str, Any]) -> Row:
    """A row of which every field is of its kind; `ValueError` names the first that is not."""
    for one in fields(Row):
        value = raw[one.name]
        wrong = not isinstance(value, _KINDS[str(one.type)]) or (isinstance(value, bool) and one.type != "bool")
        if wrong or (one.name.startswith("n_") and value < 0):
            raise ValueError(f"rows[{number}].{one.name} = {value!r}"[:120])
    return Row(**{one.name: raw[one.name] for one in fields(Row)})
