"""Checks that a run directory is as it was written: each committed unit by its hashes, then all other files.

A damaged unit is withdrawn: `unit.json` becomes `unit.json.damaged`, its other files stay for a look at them, and the
command that made the run makes the unit again. Any other damaged file can be computed again, and is only reported.
"""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.progress import bar
from gill_bench.rundir.folders import cell_folder, cell_folders, is_done, is_unit_name, not_a_run, unit_folders
from gill_bench.rundir.load_units import (
    MEND,
    DamagedUnitError,
    file_hashes,
    read_picture,
    read_samples,
    read_unit,
    read_vectors,
)
from gill_bench.rundir.lock import RunLock
from gill_bench.rundir.records import COMMIT, SAMPLES, SPEC, VECTORS, CellKey, Unit
from gill_bench.rundir.verify_results import Problem, Stored, problems_of_failures, problems_of_run, problems_of_scores
from gill_bench.storage.files import list_now
from gill_bench.storage.images import UnreadablePictureError, load_image
from gill_bench.storage.read_ahead import read_ahead
from gill_bench.storage.sealed import ASIDE, NotAFileError, put_aside

DAMAGED = f"{COMMIT}{ASIDE}"


@dataclass(frozen=True, slots=True)
class Damaged:
    """A unit that is not as it was committed.

    Attributes:
        unit: The unit's folder, relative to the run directory.
        reason: The first fault.
        withdrawn: Whether the unit was withdrawn, so that it is made again; False if the folder is read-only, a file
            cannot be read at present, or another process is working on the unit.
    """

    unit: str
    reason: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """The result of verifying a run.

    Attributes:
        units: How many units are committed.
        files: How many files these units have.
        damaged: The damaged units.
        problems: The problems with all other files.
    """

    units: int
    files: int
    damaged: tuple[Damaged, ...]
    problems: tuple[Problem, ...]

    @property
    def whole(self) -> bool:
        """Whether every file is as it was written."""
        return not self.damaged and not self.problems


class _CheckedUnit:
    """A unit after its check: the unit, or the reason why it is damaged, and problems with its scores and features."""

    def __init__(self, folder: Path, run: Path) -> None:
        self.folder = folder
        self.unit: Unit | None = None
        self.reason, self.readable = "", True
        self.files = 0
        self.problems: list[Problem] = []
        try:
            self.unit = _read_whole(folder)
            self.files = len(file_hashes(folder))
            self.problems = list(problems_of_scores(folder, run, self.unit.size))
        except DamagedUnitError as error:
            self.reason = str(error).removeprefix(f"{folder}/").removesuffix(f"; {MEND}")
            cause = error.__cause__
            self.readable = not isinstance(cause, OSError) or isinstance(cause, (NotAFileError, FileNotFoundError))
        except OSError as error:  # the disk or network failed, which says nothing about the files
            self.reason, self.readable = f"{error.filename}: cannot be read: {error.strerror}", False


def verify(run: Path) -> IntegrityReport:
    """Read every file of a run directory, and withdraw the damaged units.

    Args:
        run: The run directory; other processes may be working on it.

    Raises:
        InputError: The folder is not that of a run.
    """
    if not (run / "units").is_dir() and not (run / SPEC).exists():
        raise not_a_run(run)
    list_now(run / "units")
    damaged: list[Damaged] = []
    problems: list[Problem] = []
    cells = []
    for cell in cell_folders(run):
        try:
            cells.append(cell_folder(run, CellKey(*cell.parts[-3:])))
        except InputError as error:
            problems.append(Problem(cell.relative_to(run).as_posix(), str(error)))
    folders = [folder for cell in cells for folder in unit_folders(cell)]
    stored: Stored = {}
    files = 0
    with bar("verifying", len(folders), "units") as step:
        for checked in read_ahead(lambda folder: _CheckedUnit(folder, run), folders):
            step(1)
            files += checked.files
            problems += checked.problems
            if checked.unit is not None:
                unit = checked.unit
                counts = stored.setdefault((*unit.cell_key, unit.recipe), Counter())
                counts.update({seed: len(unit.examples) for seed in unit.seeds})
            elif is_done(checked.folder):  # otherwise another process has made it again, or is doing so
                withdrawn = checked.readable and _withdraw(checked.folder, run)
                damaged.append(Damaged(checked.folder.relative_to(run).as_posix(), checked.reason, withdrawn))
    for cell in cells:
        for commit in sorted(cell.glob(f"*/{COMMIT}")):
            if is_unit_name(commit.parent.name) and not commit.is_file():
                name = commit.relative_to(run).as_posix()
                problems.append(Problem(name, "not a file; the command that made the run makes the unit again"))
        problems += problems_of_scores(cell, run, None)
        problems += problems_of_failures(cell, run)
    problems += problems_of_run(run, None if damaged else stored)
    return IntegrityReport(len(folders), files, tuple(damaged), tuple(problems))


def _read_whole(folder: Path) -> Unit:
    """Read every file of a unit.

    Raises:
        DamagedUnitError: A file is not as it was written.
    """
    unit = read_unit(folder)
    if folder.parts[-4:-1] != unit.cell_key:
        raise DamagedUnitError(f"{folder / COMMIT}: a unit of {unit.cell_key}")
    samples = read_samples(folder)
    if [sample.key for sample in samples] != [(name, seed) for name, _ in unit.examples for seed in unit.seeds]:
        raise DamagedUnitError(f"{folder / SAMPLES}: not the samples that {COMMIT} names")
    hashes = file_hashes(folder)
    pictures = [sample.image for sample in samples if sample.image]
    unexpected = hashes.keys() ^ {SAMPLES, *({VECTORS} & hashes.keys()), *pictures}
    if unexpected:
        raise DamagedUnitError(f"{folder / SAMPLES}: its pictures are not those that {COMMIT} names: {min(unexpected)}")
    for name in pictures:
        content = read_picture(folder / name, hashes[name])
        try:
            load_image(io.BytesIO(content))
        except UnreadablePictureError as error:
            raise DamagedUnitError(f"{folder / name}: {error}") from error
    if VECTORS in hashes:
        vectors = read_vectors(folder)
        if vectors.ndim != 2 or len(vectors) != len(samples):
            raise DamagedUnitError(f"{folder / VECTORS}: {vectors.shape}, expected {len(samples)} rows")
    return unit


def _withdraw(folder: Path, run: Path) -> bool:
    """Withdraw a unit, unless another process is working on it or has made it again; say whether it was withdrawn."""
    try:
        with RunLock(run) as lock, lock.unit(folder.name, wait=False) as held:
            if not held or not is_done(folder) or _CheckedUnit(folder, run).unit is not None:
                return False
            put_aside(folder / COMMIT)
    except (OSError, InputError):  # the folder is read-only or has no locks; the damage is reported all the same
        return False
    return True
