"""Rows: the tidy results of a run, one per task, model, context, seed and metric.

Everything that is shown (tables, comparisons, checks) is computed from rows. `results.json` holds them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

from gill_bench.errors import InputError, command
from gill_bench.storage.names import name_problem
from gill_bench.storage.sealed import damaged, read_sealed, write_sealed

SCHEMA_VERSION = 1

Outcome = Literal["failed", "refused", "not made"]
"""Why an example that could be asked has no output: the model raised, it declined by policy, or nobody asked it yet."""


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
        n_failed: Examples on which the model raised, or whose output the metric could not score.
        n_refused: Examples that the model declined by policy.
        n_not_made: Examples that nobody asked yet, since the run was stopped; the same command goes on with them.
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
    n_refused: int = field(default=0, kw_only=True)
    n_not_made: int = field(default=0, kw_only=True)
    n_truncated: int
    n_flagged: int
    signature: str
    model_signature: str

    @property
    def n_lost(self) -> int:
        """Examples that could be asked and have no value, for whatever reason."""
        return self.n_failed + self.n_refused + self.n_not_made


@dataclass(frozen=True, slots=True)
class Missing:
    """One example that could not be asked, and why."""

    task: str
    example: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unmade:
    """Examples that could be asked and have no output, all for one reason.

    Attributes:
        task: As in `Row`.
        model: As in `Row`.
        context: As in `Row`; "candidates" where the examples are the pictures that are searched.
        outcome: Why.
        seeds: The seeds that lack.
        examples: Their ids.
        reason: Type and message of what was raised; "" if nobody asked yet.
        where: File and line in the model's own code where it was raised, or "".
        record: The file in the run directory that holds the traceback, or "".
    """

    task: str
    model: str
    context: str
    outcome: Outcome
    seeds: tuple[int, ...]
    examples: tuple[str, ...]
    reason: str = ""
    where: str = ""
    record: str = ""


@dataclass(frozen=True, slots=True)
class Results:
    """The content of `results.json`.

    Attributes:
        rows: Sorted.
        missing: Sorted by task, in the order of the data.
        notes: Sentences that every table must carry, such as that the weights are small and random.
        unmade: What has no output, with its reason.
    """

    rows: tuple[Row, ...]
    missing: tuple[Missing, ...] = ()
    notes: tuple[str, ...] = ()
    unmade: tuple[Unmade, ...] = ()

    def write(self, file: Path) -> None:
        """Write atomically; equal results give equal bytes."""
        value = {
            "schema_version": SCHEMA_VERSION,
            "notes": list(self.notes),
            "rows": [asdict(row) for row in self.rows],
            "missing": [asdict(item) for item in self.missing],
            "unmade": [asdict(item) for item in self.unmade],
        }
        write_sealed(file, value, indent=1)


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
    if raw["outcome"] not in get_args(Outcome):
        raise ValueError(f"unmade: outcome = {raw['outcome']!r}"[:120])
    return Unmade(**{**raw, "seeds": tuple(raw["seeds"]), "examples": tuple(raw["examples"])})


@dataclass(frozen=True, slots=True)
class Counts:
    """Samples of several rows taken together; a sample that several metrics value counts once.

    Attributes:
        expected: Samples asked for.
        failed: As `Row.n_failed`.
        refused: As `Row.n_refused`.
        not_made: As `Row.n_not_made`.
    """

    expected: int
    failed: int
    refused: int
    not_made: int

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Counts:
        """Add up rows, of the metrics of a cell and seed the one that lacks most."""
        most: dict[tuple[str, str, str, int], tuple[int, ...]] = {}
        for row in rows:
            place = (row.task, row.model, row.context, row.seed)
            counts = (row.n_expected, row.n_failed, row.n_refused, row.n_not_made)
            most[place] = max(most.get(place, counts), counts, key=lambda found: (sum(found[1:]), found))
        return cls(*(sum(column) for column in zip(*most.values(), strict=True))) if most else cls(0, 0, 0, 0)

    def told(self) -> dict[Outcome, str]:
        """What lacks, in words; empty if nothing does.

        >>> Counts(24, 1, 0, 16).told()
        {'failed': '1 of 24 samples failed', 'not made': '16 of 24 samples are not made yet'}
        """
        counts: dict[Outcome, int] = {"failed": self.failed, "refused": self.refused, "not made": self.not_made}
        words: dict[Outcome, str] = {"failed": "failed", "refused": "refused", "not made": "not made yet"}
        return {
            outcome: f"{count} of {self.expected} samples {_verb(words[outcome], count)}"
            for outcome, count in counts.items()
            if count
        }


def _verb(what: str, count: int) -> str:
    return what if what == "failed" else f"{'is' if count == 1 else 'are'} {what}"
