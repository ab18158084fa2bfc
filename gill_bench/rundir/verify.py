"""Whether a run directory is as it was written: every committed unit against its hashes, and what was computed of them.

A unit that is not loses its commit: `unit.json` becomes `unit.json.damaged`, the rest stays to be looked at, and the
command that made the run makes the unit again. Anything else that is damaged can be computed again and is only named.
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
        unit: Its folder, from the run directory.
        reason: What is wrong first.
        withdrawn: Its commit was withdrawn, so that it is made again; not so where the folder is read-only, the file
            cannot be read at present, or another process is working on the unit.
    """

    unit: str
    reason: str
    withdrawn: bool


@dataclass(frozen=True, slots=True)
class IntegrityReport:
    """What was found.

    Attributes:
        units: Committed units.
        files: Their files.
        damaged: Units that are not whole.
        problems: With other files.
    """

    units: int
    files: int
    damaged: tuple[Damaged, ...]
    problems: tuple[Problem, ...]

    @property
    def whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.damaged and not self.problems


class _Looked:
    """What was found of one unit: it, or the reason why it is not whole; and problems with what was computed of it."""

    def __init__(self, folder: Path, run: Path) -> None:
        self.folder = folder
        self.unit: Unit | None = None
        self.reason, self.readable = "", True
        self.files = 0
        self.problems: list[Problem] = []
        try:
            self.unit = _read_whole(folder)
            self.files = len(file_hashes(folder))
            self.problems = list(problems_of_scores(folder, run, len(self.unit.examples) * len(self.unit.seeds)))
        except DamagedUnitError as error:
            self.reason = str(error).removeprefix(f"{folder}/").removesuffix(f"; {MEND}")
            cause = error.__cause__
            self.readable = not isinstance(cause, OSError) or isinstance(cause, (NotAFileError, FileNotFoundError))
        except OSError as error:  # says nothing of what is on the disk
            self.reason, self.readable = f"{error.filename}: cannot be read: {error.strerror}", False


def verify(run: Path) -> IntegrityReport:
    """Read everything of a run directory and withdraw the commit of units that are not whole.

    Args:
        run: Other processes may be working on it.

    Raises:
        InputError: It is not the folder of a run.
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
        for looked in read_ahead(lambda folder: _Looked(folder, run), folders):
            step(1)
            files += looked.files
            problems += looked.problems
            if looked.unit is not None:
                unit = looked.unit
                counts = stored.setdefault((unit.task, unit.model, unit.context, unit.recipe), Counter())
                counts.update({seed: len(unit.examples) for seed in unit.seeds})
            elif is_done(looked.folder):  # else it was made again meanwhile, or is being so
                withdrawn = looked.readable and _withdraw(looked.folder, run)
                damaged.append(Damaged(looked.folder.relative_to(run).as_posix(), looked.reason, withdrawn))
    for cell in cells:
        for commit in sorted(cell.glob(f"*/{COMMIT}")):
            if is_unit_name(commit.parent.name) and not commit.is_file():
                name = commit.relative_to(run).as_posix()
                problems.append(Problem(name, "no file; the command that made the run makes its unit again"))
        problems += problems_of_scores(cell, run, None)
        problems += problems_of_failures(cell, run)
    problems += problems_of_run(run, None if damaged else stored)
    return IntegrityReport(len(folders), files, tuple(damaged), tuple(problems))


def _read_whole(folder: Path) -> Unit:
    """A unit of which every file was read and is as it was written.

    Raises:
        DamagedUnitError: One is not.
    """
    unit = read_unit(folder)
    if folder.parts[-4:-1] != (unit.task, unit.model, unit.context):
        raise DamagedUnitError(f"{folder / COMMIT}: a unit of {unit.task}/{unit.model}/{unit.context}")
    samples = read_samples(folder)
    if [(one.example, one.seed) for one in samples] != [
        (name, seed) for name, _ in unit.examples for seed in unit.seeds
    ]:
        raise DamagedUnitError(f"{folder / SAMPLES}: not the samples that {COMMIT} names")
    hashes = file_hashes(folder)
    pictures = [one.image for one in samples if one.image]
    strange = hashes.keys() ^ {SAMPLES, *({VECTORS} & hashes.keys()), *pictures}
    if strange:
        raise DamagedUnitError(f"{folder / SAMPLES}: its pictures are not those that {COMMIT} names: {min(strange)}")
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
    """Take a unit's commit back, unless a process that works on the run has it, or made it again meanwhile."""
    try:
        with RunLock(run) as lock, lock.unit(folder.name, wait=False) as held:
            if not held or not is_done(folder) or _Looked(folder, run).unit is not None:
                return False
            put_aside(folder / COMMIT)
    except (OSError, InputError):  # a read-only folder, or one without locks: what is wrong is said all the same
        return False
    return True
