"""The names of a run's folders and files; a file of another name is never read or removed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

from gill_bench.errors import InputError
from gill_bench.rundir.lock import check_locks
from gill_bench.rundir.records import COMMIT, SPEC, UNITS, CellKey
from gill_bench.storage.files import remove_temporary
from gill_bench.storage.names import name_problem
from gill_bench.storage.paths import is_remote, temporary_beside

_KEY = re.compile(r"[0-9a-f]{16}")
_SCORE = re.compile(r"score-(.+?)-[0-9a-f]{12}(?:-([0-9]+))?\.json")
_FEATURES = re.compile(r"features-.+-[0-9a-f]{12}\.npy")


class ScoreFile(NamedTuple):
    """A file with scores.

    Attributes:
        path: The file.
        metric: The registered name of the metric.
        seed: The seed of a cell's numbers; None if the file holds the values of a unit's pictures.
    """

    path: Path
    metric: str
    seed: int | None


def make_run_folder(folder: Path, *, locks: bool = True, keep: bool = True) -> None:
    """Make a run's folder and check that it can be written and locked, before anything expensive.

    Args:
        folder: The run directory.
        locks: Whether the file system must have locks.
        keep: Whether folders that were made for the check stay; False for a run that is only planned.

    Raises:
        InputError: The folder cannot be made or written, or, with `locks`, its file system has no locks.
    """
    probe = temporary_beside(folder / "write-test")
    new_folders = [] if keep or is_remote(folder) else [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"gill-bench")
        try:
            if locks and not is_remote(folder):
                check_locks(probe)
        finally:
            probe.unlink(missing_ok=True)
            for path in new_folders:
                path.rmdir()
    except OSError as error:
        raise InputError(
            f"{folder}: cannot write there ({error.strerror or error}); choose another folder with --out"
        ) from error


def remove_leftovers(run: Path) -> None:
    """Remove temporary files that a killed process left; the caller holds the lock of `spec.json`."""
    remove_temporary(run, ".*.json.*.tmp")
    remove_temporary(run, ".*.toml.*.tmp")
    remove_temporary(run, ".write-test.*")


def cell_folder(run: Path, cell_key: CellKey) -> Path:
    """The folder of a cell's units, the one place where names of tasks, models and contexts become a path.

    Args:
        run: The run directory.
        cell_key: Names from cards, or from files of a run that came from somewhere else.

    Raises:
        InputError: A name would lead out of the run, or a symbolic link does.
    """
    for kind, name in zip(CellKey._fields, cell_key, strict=True):
        problem = name_problem(name)
        if problem:
            raise InputError(f"{run}: the name of a {kind}, {name[:80]!r}, {problem}; it cannot be part of a path")
    folder = run.joinpath(*cell_key.path.parts)
    if not is_remote(run) and _leads_out(folder, run):
        raise InputError(
            f"{folder}: a symbolic link leads out of the run, and links out of a run are not followed;"
            " put the folder itself there"
        )
    return folder


def _leads_out(folder: Path, run: Path) -> bool:
    """Whether a symbolic link below the run leads out of it; without links whole paths need not be resolved."""
    below = accumulate((str(run), *folder.parts[len(run.parts) :]), os.path.join)
    return any(map(os.path.islink, islice(below, 1, None))) and not folder.resolve().is_relative_to(run.resolve())


def is_unit_name(name: str) -> bool:
    """Whether a folder has the name of a unit; other folders beside the units are left alone."""
    return _KEY.fullmatch(name) is not None


def unit_folders(cell: Path) -> list[Path]:
    """The folders of a cell's committed units, damaged ones too, sorted by name."""
    if not cell.is_dir():
        return []
    folders = [entry for entry in sorted(cell.iterdir()) if is_unit_name(entry.name) and is_done(entry)]
    return [folder for folder in folders if is_remote(folder) or not folder.is_symlink()]


def is_done(folder: Path) -> bool:
    """Whether a unit's folder is committed."""
    return (folder / COMMIT).is_file()


def cell_folders(run: Path) -> list[Path]:
    """The folders in which a run has units, scores or failures of cells; in an object store only files exist."""
    folders = {file.parent.parent for file in run.glob(f"{UNITS}/*/*/*/*/{COMMIT}")}
    others = (file for kind in ("score", "failed") for file in run.glob(f"{UNITS}/*/*/*/{kind}-*.json"))
    return sorted(folders | {file.parent for file in others})


def score_files(folder: Path) -> list[ScoreFile]:
    """The score files in the folder of a unit or a cell, sorted by name."""
    matches = ((path, _SCORE.fullmatch(path.name)) for path in _listed(folder))
    return [ScoreFile(path, match[1], int(match[2]) if match[2] else None) for path, match in matches if match]


def feature_files(folder: Path) -> list[Path]:
    """The files with features in the folder of a unit, sorted by name."""
    return [path for path in _listed(folder) if _FEATURES.fullmatch(path.name)]


def failure_files(cell: Path) -> Iterator[Path]:
    """The records of failures in the folder of a cell, sorted by name."""
    yield from sorted(cell.glob("failed-*.json")) if cell.is_dir() else ()


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def runs_below(folder: Path) -> list[Path]:
    """The run directories in a folder, at any depth, sorted by path; the folder itself if it is one.

    A run has no other run in it, and symbolic links are not followed.

    Raises:
        InputError: There is no such folder, or no run in it.
    """
    if is_remote(folder):
        runs = {file.parent for file in folder.rglob(SPEC)}
    else:
        runs = set()
        for parent, below, files in os.walk(folder):
            if SPEC in files:
                runs.add(Path(parent))
                below.clear()
    if not runs:
        raise no_spec(folder)
    return sorted(runs)


def not_a_run(folder: Path) -> InputError:
    """The error for a path that is no run directory; it names the runs below the path, if there are any."""
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


def no_spec(run: Path) -> InputError:
    """The error for a folder without `spec.json`: a run that lost the file, or no run at all."""
    if not (run / "units").is_dir():
        return not_a_run(run)
    return InputError(
        f"{run}: no {SPEC}, which says what was asked for; run the same command again: it writes the file anew"
    )
