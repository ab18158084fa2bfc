"""Which examples of a cell have no output, and why: from the stored units and the records of failures.

A record of a failure counts while recipe and content of the example are the same and the sample is not stored. Nothing
else depends on records: an example without output and without a record counts as not made yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gill_bench.planning.cells import Cell
from gill_bench.progress import say
from gill_bench.rundir.folders import failure_files
from gill_bench.rundir.load import read_failure
from gill_bench.rundir.records import FailureRecord, LossReason, Unit
from gill_bench.rundir.rows import Unmade


def unmade_of(cell: Cell, units: Mapping[str, Unit], run: Path) -> list[Unmade]:
    """The examples of a cell without an output, by reason; records of samples that are stored by now are removed.

    Args:
        cell: The cell.
        units: The cell's committed units by folder name.
        run: The run directory.
    """
    stored = {(example, seed) for unit in units.values() for example, _ in unit.examples for seed in unit.seeds}
    for record in _records(cell.folder(run)):
        if record.recipe == cell.recipe_digest and all((record.example, seed) in stored for seed in record.seeds):
            (cell.folder(run) / record.file).unlink(missing_ok=True)
    seeds = {name: tuple(seed for seed in cell.sample_seeds if (name, seed) not in stored) for name in cell.usable}
    if not any(seeds.values()):
        return []
    records = _valid_records(cell, run)
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


def _valid_records(cell: Cell, run: Path) -> dict[tuple[str, int], FailureRecord]:
    """The cell's records whose recipe and content are the present ones, by (example, seed)."""
    records: dict[tuple[str, int], FailureRecord] = {}
    for record in _records(cell.folder(run)):
        known = cell.usable.get(record.example)
        if record.recipe == cell.recipe_digest and known is not None and known[2] == record.content:
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
            continue  # another process made the sample meanwhile
        except (OSError, ValueError) as error:
            say(f"warning: {file}: damaged ({error}); remove it: it is written again when the example fails again")
