"""Failures that are kept in a run, beside the units of their cell: `failed-<key>.json`, one an example.

A record counts while the model is asked the same (recipe, digest of the example) and the sample is not stored. Nothing
else depends on it: without its record an example that has no output counts as not made yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from gill_bench.planning.cells import Cell
from gill_bench.progress import say
from gill_bench.rundir.records import FailureRecord, LossReason, Reason
from gill_bench.rundir.rows import Unmade
from gill_bench.rundir.units import Unit
from gill_bench.storage.sealed import from_sealed_json, read_file, write_sealed

SCHEMA_VERSION = 1
PATTERN = "failed-*.json"


def keep_failure(cell: Path, unit: Unit, example: tuple[str, str], reason: Reason) -> Path:
    """Write the record of an example; the caller holds the lock of its unit.

    Args:
        cell: The folder of the cell.
        unit: In which the example was asked.
        example: Its id and the digest of what the model was given.
        reason: Why it has no output.

    Returns:
        The file.
    """
    file = cell / f"failed-{replace(unit, examples=(example,)).key}.json"
    value = {
        "schema_version": SCHEMA_VERSION,
        "task": unit.task,
        "model": unit.model,
        "context": unit.context,
        "example": example[0],
        "content": example[1],
        "recipe": unit.recipe,
        "seeds": list(unit.seeds),
        **asdict(reason),
    }
    cell.mkdir(parents=True, exist_ok=True)
    write_sealed(file, value, indent=1)
    return file


def read_failure(file: Path) -> FailureRecord:
    """Read a record.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged.
    """
    try:
        raw = from_sealed_json(read_file(file).decode("utf-8"))
        if raw["outcome"] not in ("failed", "refused"):
            raise ValueError("no record of a failure")
        reason = Reason(*(str(raw[name]) for name in ("outcome", "type", "message", "where", "traceback")))  # type: ignore[arg-type]
        seeds = tuple(int(seed) for seed in raw["seeds"])
        return FailureRecord(file.name, str(raw["example"]), str(raw["content"]), str(raw["recipe"]), seeds, reason)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a field is missing or of another kind: {error}") from error


def failures_of(cell: Cell, run: Path) -> dict[tuple[str, int], FailureRecord]:
    """The records of a cell that are of what is asked now, by (example, seed)."""
    found: dict[tuple[str, int], FailureRecord] = {}
    for record in _records(cell.folder(run)):
        entry = cell.usable.get(record.example)
        if record.recipe == cell.recipe_digest and entry is not None and entry[2] == record.content:
            found |= {(record.example, seed): record for seed in record.seeds}
    return found


def unmade_of(cell: Cell, units: Mapping[str, Unit], run: Path) -> list[Unmade]:
    """What has no output in a cell, with its reason; remove the records of what has one by now.

    Args:
        cell: The cell.
        units: Its committed units by folder name.
        run: The run directory.
    """
    made = {(example, seed) for unit in units.values() for example, _ in unit.examples for seed in unit.seeds}
    for record in _records(cell.folder(run)):
        if record.recipe == cell.recipe_digest and all((record.example, seed) in made for seed in record.seeds):
            (cell.folder(run) / record.file).unlink(missing_ok=True)
    seeds = {name: tuple(seed for seed in cell.sample_seeds if (name, seed) not in made) for name in cell.usable}
    if not any(seeds.values()):
        return []
    kept = failures_of(cell, run)
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, lacking in seeds.items():
        by_record: dict[FailureRecord | None, list[int]] = {}
        for seed in lacking:
            by_record.setdefault(kept.get((name, seed)), []).append(seed)
        for kept_as, of_record in by_record.items():
            groups.setdefault((*_told(cell, kept_as), tuple(of_record)), []).append(name)
    return [
        Unmade(*cell.key, outcome, lacking, tuple(names), reason, where, file)
        for (outcome, reason, where, file, lacking), names in groups.items()
    ]


def lost_by_seed(unmade: Sequence[Unmade]) -> dict[int, dict[str, LossReason]]:
    """By seed and example why a cell has no output."""
    found: dict[int, dict[str, LossReason]] = {}
    for item in unmade:
        for seed in item.seeds:
            found.setdefault(seed, {}).update(dict.fromkeys(item.examples, item.outcome))
    return found


def _told(cell: Cell, record: FailureRecord | None) -> tuple[LossReason, str, str, str]:
    if record is None:
        return "not made", "", "", ""
    reason = record.reason
    return reason.outcome, str(reason), reason.where, "/".join(("units", *cell.key, record.file))


def _records(cell: Path) -> Iterator[FailureRecord]:
    """Those that can be read; a damaged one is named: its example counts as not made until it fails again."""
    for file in sorted(cell.glob(PATTERN)) if cell.is_dir() else ():
        try:
            yield read_failure(file)
        except FileNotFoundError:
            continue  # another process made the sample meanwhile
        except (OSError, ValueError) as error:
            say(f"warning: {file}: damaged ({error}); remove it: it is written again when the example fails again")
