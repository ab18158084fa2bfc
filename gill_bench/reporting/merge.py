"""Merges the results of several runs: a number that two runs share is kept once, and contradictions are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from gill_bench.errors import InputError
from gill_bench.rundir.rows import Results, Row
from gill_bench.rundir.signatures import describe_differences


def merge_results(runs: Sequence[tuple[str, Results]]) -> Results:
    """Merge the results of named runs.

    Args:
        runs: The name of each run (for messages) and its results.

    Raises:
        InputError: Two runs have the same task, model, context, seed and metric with different content.
    """
    merged: dict[tuple[str, str, str, int, str], tuple[str, Row]] = {}
    for run, results in runs:
        for row in results.rows:
            first_run, first_row = merged.setdefault(_order(row), (run, row))
            if first_row != row:
                raise InputError(_clash(first_run, first_row, run, row))
    rows = tuple(sorted((row for _, row in merged.values()), key=_order))
    missing = dict.fromkeys(item for _, results in runs for item in results.missing)
    notes = dict.fromkeys(note for _, results in runs for note in results.notes)
    unmade = dict.fromkeys(item for _, results in runs for item in results.unmade)
    probes = {probe.cell_key: probe for _, results in runs for probe in results.probes}
    return Results(rows, tuple(missing), tuple(notes), tuple(unmade), tuple(probes.values()))


def _order(row: Row) -> tuple[str, str, str, int, str]:
    return (row.task, row.model, row.context, row.seed, row.metric)


def _clash(first: str, left: Row, second: str, right: Row) -> str:
    where = f"{left.task} {left.model} {left.context} seed {left.seed} {left.metric}"
    # If the signatures differ, they are why the numbers do, and the message names them first.
    for name in ("signature", "model_signature"):
        first_signature, second_signature = getattr(left, name), getattr(right, name)
        if first_signature != second_signature:
            differences = describe_differences(first_signature, second_signature)
            return f"{where}: computed in two ways in {first} and {second}: {differences}; report them separately"
    name = next(field.name for field in fields(Row) if getattr(left, field.name) != getattr(right, field.name))
    return (
        f"{where}: {name} = {getattr(left, name)!r} in {first}, {getattr(right, name)!r} in {second};"
        " the two runs differ, report them separately"
    )
