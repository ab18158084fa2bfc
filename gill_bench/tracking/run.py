"""Hands a finished run to a tracker: its numbers, settings, tables, files and pictures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

from gill_bench.errors import InputError
from gill_bench.rundir.load import read_sessions
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey, Sample
from gill_bench.rundir.rows import Counts, Row
from gill_bench.statistics.bootstrap import spread
from gill_bench.storage.names import name_problem
from gill_bench.tracking import Tracker


def track(run: RunReader, tracker: Tracker, name: str, tables: Mapping[str, str], pictures: int) -> str:
    """Hand a run to a tracker.

    Args:
        run: The reader of the run's directory.
        tracker: A tracker that was not started yet.
        name: The name of the run in the service.
        tables: The run's tables as Markdown, by name.
        pictures: The number of examples of each cell whose pictures are handed over, each with its first seed.

    Returns:
        The address or command with which people look at the run in the service.

    Raises:
        InputError: The run has no numbers, or a file of it is damaged.
    """
    rows = [row for row in run.results.rows if row.value is not None]
    if not rows:
        raise InputError(f"{run.folder}: has no numbers yet; run the same command again")
    tracker.start(name, _config(run))
    for seed in sorted({row.seed for row in rows}):
        tracker.log({_name(row): row.value for row in rows if row.seed == seed and row.value is not None}, seed)
    tracker.summary(dict(_summary(rows)))
    for table, markdown in tables.items():
        tracker.table(table, markdown)
    with TemporaryDirectory() as scratch:
        for name, content in run.documents():
            tracker.file(_copy(name, content, Path(scratch)))
        for cell_key in dict.fromkeys(cell_key for cell_key, _ in run.rows):
            for label, sample, caption in _pictures(run, cell_key, pictures):
                copy = _copy(f"{sample.folder.name}/{sample.image}", run.picture(sample), Path(scratch))
                tracker.picture(label, copy, caption)
        return tracker.finish()


def _copy(name: str, content: bytes, scratch: Path) -> Path:
    """Write content to a file on this machine, since the services' libraries read only such files."""
    copy = scratch / name
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(content)
    return copy


def _name(row: Row) -> str:
    """The name of a row's number, with dots for the slashes in its metric.

    Services make folders of slashes, and cannot have a number at both `a` and `a/b`.
    """
    return f"{row.task}/{row.model}/{row.context}/{row.metric.replace('/', '.')}"


def _summary(rows: list[Row]) -> Iterator[tuple[str, float]]:
    for name in dict.fromkeys(map(_name, rows)):
        over = spread(row.value for row in rows if _name(row) == name and row.value is not None)
        yield f"mean/{name}", over.mean
        if over.std is not None:
            yield f"std/{name}", over.std


def _config(run: RunReader) -> dict[str, str]:
    """The settings behind the numbers: versions, commit and device of the last session, and all signatures."""
    sessions = read_sessions(run.folder)
    session = asdict(sessions[-1]) if sessions else {}
    packages = session.pop("packages", None) or {}
    config: dict[str, str] = {}
    config |= {name: " ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in session.items()}
    config |= {f"packages/{name}": str(version) for name, version in packages.items()}
    for row in run.results.rows:
        config[f"model/{row.task}/{row.model}"] = row.model_signature
        config[f"signature/{row.task}/{row.metric.replace('/', '.')}"] = row.signature
    for cell_key in dict.fromkeys(cell_key for cell_key, _ in run.rows):
        counts = Counts.of(row for row in run.results.rows if row.cell_key == cell_key)
        if reasons := counts.in_words():
            config[f"incomplete/{cell_key}"] = "; ".join(reasons.values())
    return config | {f"note/{number}": note for number, note in enumerate(run.results.notes, 1)}


def _pictures(run: RunReader, cell_key: CellKey, count: int) -> Iterator[tuple[str, Sample, str]]:
    shown: set[str] = set()
    for sample in run.samples(cell_key) if count else ():
        example = sample.key[0]
        if sample.picture is None or example in shown:
            continue
        shown.add(example)
        caption = f"seed {sample.key[1]}: {sample.details.get('prompt') or ''}"
        # Services make files with these names.
        name = re.sub(r"[^A-Za-z0-9._-]|^\.+", "_", example) if name_problem(example) else example
        yield f"{cell_key}/{name}", sample, caption
        if len(shown) == count:
            return
