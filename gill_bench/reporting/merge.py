"""Several runs as one: the same number twice is kept once, two different numbers for one thing are refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from gill_bench.errors import InputError
from gill_bench.rundir.rows import Results, Row
from gill_bench.rundir.signatures import describe_differences


def merge_results(runs: Sequence[tuple[str, Results]]) -> Results:
    """Merge the results of named runs.

    Args:
        runs: Name (for messages) and results of each.

    Raises:
        InputError: Two runs have the same task, model, context, seed and metric with different content.
    """
    kept: dict[tuple[str, str, str, int, str], tuple[str, Row]] = {}
    for run, results in runs:
        for row in results.rows:
            key = (row.task, row.model, row.context, row.seed, row.metric)
            first, other = kept.setdefault(key, (run, row))
            if other != row:
                raise InputError(_clash(first, other, run, row))
    rows = tuple(sorted((row for _, row in kept.values()), key=_order))
    missing = dict.fromkeys(item for _, results in runs for item in results.missing)
    notes = dict.fromkeys(note for _, results in runs for note in results.notes)
    unmade = dict.fromkeys(item for _, results in runs for item in results.unmade)
    return Results(rows, tuple(missing), tuple(notes), tuple(unmade))


def _order(row: Row) -> tuple[str, str, str, int, str]:
    return (row.task, row.model, row.context, row.seed, row.metric)


def _clash(first: str, left: Row, second: str, right: Row) -> str:
    where = f"{left.task} {left.model} {left.context} seed {left.seed} {left.metric}"
    # A number differs because it was made in another way, if it was.
    for name in ("signature", "model_signature"):
        one, other = getattr(left, name), getattr(right, name)
        if one != other:
            differences = describe_differences(one, other)
            return f"{where}: computed in two ways in {first} and {second}: {differences}; report them separately"
    name = next(field.name for field in fields(Row) if getattr(left, field.name) != getattr(right, field.name))
    return (
        f"{where}: {name} = {getattr(left, name)!r} in {first}, {getattr(right, name)!r} in {second};"
        " the two runs differ, report them separately"
    )
