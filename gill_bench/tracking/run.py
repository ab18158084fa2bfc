"""What a tracker is told of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from gill_bench.errors import InputError
from gill_bench.rundir.folder import read_sessions
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey, Sample
from gill_bench.rundir.rows import Counts, Row
from gill_bench.rundir.units import read_picture
from gill_bench.statistics.bootstrap import spread
from gill_bench.storage.names import name_problem
from gill_bench.storage.sealed import read_file
from gill_bench.tracking import Tracker

_FILES = ("results.json", "spec.json", "env.json")


def track(run: RunReader, tracker: Tracker, name: str, tables: Mapping[str, str], pictures: int) -> str:
    """Hand a run to a tracker.

    Args:
        run: The run.
        tracker: Not started yet.
        name: Of the run, for the service.
        tables: Its tables by name, as Markdown.
        pictures: How many examples of each cell are shown, with its first seed.

    Returns:
        Where to look at it.

    Raises:
        InputError: It has no numbers, or a file of it is damaged.
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
        for name in _FILES:
            if (run.folder / name).is_file():
                tracker.file(_copy(name, read_file(run.folder / name), Path(scratch)))
        for place in dict.fromkeys(place for place, _ in run.rows):
            for label, sample, caption in _pictures(run, place, pictures):
                copy = f"{sample.folder.name}/{sample.image}"
                tracker.picture(
                    label,
                    _copy(copy, read_picture(sample.folder / sample.image, sample.sha256), Path(scratch)),
                    caption,
                )
        return tracker.finish()


def _copy(name: str, content: bytes, scratch: Path) -> Path:
    """A file of this machine with some content, for libraries that read no others."""
    copy = scratch / name
    copy.parent.mkdir(exist_ok=True)
    copy.write_bytes(content)
    return copy


def _name(row: Row) -> str:
    """Slashes between the parts alone: a store that makes folders of them cannot have a number at `a` and at `a/b`."""
    return f"{row.task}/{row.model}/{row.context}/{row.metric.replace('/', '.')}"


def _summary(rows: list[Row]) -> Iterator[tuple[str, float]]:
    for name in dict.fromkeys(map(_name, rows)):
        over = spread(row.value for row in rows if _name(row) == name and row.value is not None)
        yield f"mean/{name}", over.mean
        if over.std is not None:
            yield f"std/{name}", over.std


def _config(run: RunReader) -> dict[str, str]:
    """Versions, commit and device of the last session, how each model was run, and each number's signature."""
    session = {**(read_sessions(run.folder) or [{}])[-1]}
    packages = session.pop("packages", {})
    found: dict[str, str] = {}
    found |= {name: " ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in session.items()}
    found |= {f"packages/{name}": str(version) for name, version in packages.items()}
    for row in run.results.rows:
        found[f"model/{row.task}/{row.model}"] = row.model_signature
        found[f"signature/{row.task}/{row.metric.replace('/', '.')}"] = row.signature
    for place in dict.fromkeys(place for place, _ in run.rows):
        counts = Counts.of(row for row in run.results.rows if (row.task, row.model, row.context) == place)
        if told := counts.in_words():
            found[f"incomplete/{'/'.join(place)}"] = "; ".join(told.values())
    return found | {f"note/{place}": note for place, note in enumerate(run.results.notes, 1)}


def _pictures(run: RunReader, place: CellKey, count: int) -> Iterator[tuple[str, Sample, str]]:
    shown: set[str] = set()
    for sample in run.samples(place) if count else ():
        example = sample.key[0]
        if sample.picture is None or example in shown:
            continue
        shown.add(example)
        caption = f"seed {sample.key[1]}: {sample.details.get('prompt') or ''}"
        # Services make files of these names.
        name = re.sub(r"[^A-Za-z0-9._-]|^\.+", "_", example) if name_problem(example) else example
        yield f"{'/'.join(place)}/{name}", sample, caption
        if len(shown) == count:
            return
