"""The examples of a cell that have no output, with the reason, from the stored units and the records of failures.

A record of a failure counts while the recipe and the content of the example are the same and the sample is not stored.
An example with neither an output nor a record counts as not made yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gill_bench.planning.cells import Cell
from gill_bench.progress import say
from gill_bench.rundir.folders import failure_files
from gill_bench.rundir.load import read_failure
from gill_bench.rundir.records import FailureRecord, LossReason
from gill_bench.rundir.rows import Unmade
from gill_bench.scoring.stored import StoredCell


def unmade_of(stored: StoredCell) -> list[Unmade]:
    """The examples of a cell without an output, by reason; records of samples that are stored by now are removed."""
    cell = stored.cell
    units = [unit.unit for unit in stored.units]
    samples = {(name, seed) for unit in units for name, _ in unit.examples for seed in unit.seeds}
    for record in _records(stored.folder):
        if record.recipe == cell.recipe_digest and all((record.example, seed) in samples for seed in record.seeds):
            (stored.folder / record.file).unlink(missing_ok=True)
    seeds = {name: tuple(seed for seed in cell.sample_seeds if (name, seed) not in samples) for name in cell.usable}
    if not any(seeds.values()):
        return []
    records = _valid_records(cell, stored.folder)
    groups: dict[tuple[Any, ...], list[str]] = {}
    for name, seeds_without in seeds.items():
        by_record: dict[FailureRecord | None, list[int]] = {}
        for seed in seeds_without:
            by_record.setdefault(records.get((name, seed)), []).append(seed)
        for reason_record, seeds_of_record in by_record.items():
            groups.setdefault((*_fields(cell, reason_record), tuple(seeds_of_record)), []).append(name)
    return [
        Unmade(*cell.key, outcome, seeds_without, tuple(names), reason, where, file)
        for (outcome, reason, where, file, seeds_without), names in groups.items()
    ]


def loss_by_seed(unmade: Sequence[Unmade]) -> dict[int, dict[str, LossReason]]:
    """The reason for each example without an output, by seed and example."""
    reasons: dict[int, dict[str, LossReason]] = {}
    for item in unmade:
        for seed in item.seeds:
            reasons.setdefault(seed, {}).update(dict.fromkeys(item.examples, item.outcome))
    return reasons


def _valid_records(cell: Cell, folder: Path) -> dict[tuple[str, int], FailureRecord]:
    """The cell's records whose recipe and content are the present ones, by (example, seed)."""
    records: dict[tuple[str, int], FailureRecord] = {}
    for record in _records(folder):
        usable = cell.usable.get(record.example)
        if record.recipe == cell.recipe_digest and usable is not None and usable.digest == record.content:
            records |= {(record.example, seed): record for seed in record.seeds}
    return records


def _fields(cell: Cell, record: FailureRecord | None) -> tuple[LossReason, str, str, str]:
    """Outcome, reason, place in the code and file of the record, as in `Unmade`."""
    if record is None:
        return "not made", "", "", ""
    reason = record.reason
    return reason.outcome, str(reason), reason.where, (cell.key.path / record.file).as_posix()


def _records(folder: Path) -> Iterator[FailureRecord]:
    """The readable records of a cell's folder; an example whose record is damaged counts as not made yet."""
    for file in failure_files(folder):
        try:
            yield read_failure(file)
        except FileNotFoundError:
            continue  # another process has made the sample since, and removed its record
        except (OSError, ValueError) as error:
            say(f"warning: {file}: damaged ({error}); remove it: it is written again when the example fails again")
