"""Whether a run directory is as it was written: every committed unit against its hashes, and what was computed of them.

A unit that is not loses its commit: `unit.json` becomes `unit.json.damaged`, the rest stays to be looked at, and the
command that made the run makes the unit again. Anything else that is damaged can be computed again and is only named.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError, command
from gill_bench.files import digest, list_now
from gill_bench.images import UnreadablePictureError, load_image
from gill_bench.progress import bar
from gill_bench.read_ahead import read_ahead
from gill_bench.reading import from_sealed_json
from gill_bench.rows import Row, not_a_run, read_results
from gill_bench.runs.failures import PATTERN as FAILURES
from gill_bench.runs.failures import read_failure
from gill_bench.runs.folder import read_spec
from gill_bench.runs.lock import RunLock
from gill_bench.runs.units import (
    COMMIT,
    SAMPLES,
    VECTORS,
    DamagedUnitError,
    Unit,
    file_hashes,
    is_done,
    read_samples,
    read_unit,
    read_vectors,
)

DAMAGED = f"{COMMIT}.damaged"
_KEY = re.compile(r"[0-9a-f]{16}")
_Stored = dict[tuple[str, str, str, str], Counter[int]]  # examples by seed, of (task, model, context, recipe)


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
class Problem:
    """Another file that is not as it should be, from the run directory: what is wrong, and how it is put right."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
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
            self.problems = list(_problems_of_scores(folder, run, len(self.unit.examples) * len(self.unit.seeds)))
        except DamagedUnitError as error:
            self.reason = str(error).removeprefix(f"{folder}/")
            self.readable = not isinstance(error.__cause__, OSError)
        except OSError as error:  # says nothing of what is on the disk
            self.reason, self.readable = f"{error.filename}: cannot be read: {error.strerror}", False


def verify(run: Path) -> Verdict:
    """Read everything of a run directory and withdraw the commit of units that are not whole.

    Args:
        run: Other processes may be working on it.

    Raises:
        InputError: It is not the folder of a run.
    """
    if not (run / "units").is_dir() and not (run / "spec.json").is_file():
        raise not_a_run(run)
    list_now(run / "units")
    folders = sorted(file.parent for file in run.glob(f"units/*/*/*/*/{COMMIT}"))
    damaged: list[Damaged] = []
    problems: list[Problem] = []
    stored: _Stored = {}
    files = 0
    with bar("verifying", len(folders), "units") as step:
        for found in read_ahead(lambda folder: _Looked(folder, run), folders):
            step(1)
            files += found.files
            problems += found.problems
            if found.unit is not None:
                unit = found.unit
                cell = stored.setdefault((unit.task, unit.model, unit.context, unit.recipe), Counter())
                cell.update({seed: len(unit.examples) for seed in unit.seeds})
            elif is_done(found.folder):  # else it was made again meanwhile, or is being so
                withdrawn = found.readable and _withdraw(found.folder, run)
                damaged.append(Damaged(found.folder.relative_to(run).as_posix(), found.reason, withdrawn))
    for folder in sorted({folder.parent for folder in folders}):
        problems += _problems_of_scores(folder, run, None)
    for file in sorted(run.glob(f"units/*/*/*/{FAILURES}")):
        try:
            read_failure(file)
        except (OSError, ValueError) as error:
            mend = "remove it: it is written again when the example fails again"
            problems.append(Problem(file.relative_to(run).as_posix(), f"damaged ({error}); {mend}"))
    problems += _problems_of_results(run, stored, skip_counts=bool(damaged))
    return Verdict(len(folders), files, tuple(damaged), tuple(problems))


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
        content = (folder / name).read_bytes()
        if hashlib.sha256(content).hexdigest() != hashes[name]:
            raise DamagedUnitError(f"{folder / name}: its content is not what the model made (SHA-256 differs)")
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
    if not _KEY.fullmatch(folder.name):
        return False  # no run reads such a folder as a unit of its own
    try:
        with RunLock(run) as lock, lock.unit(folder.name, wait=False) as held:
            if not held or not is_done(folder) or _Looked(folder, run).unit is not None:
                return False
            # Written and removed, because object stores cannot rename.
            (folder / DAMAGED).write_bytes((folder / COMMIT).read_bytes())
            (folder / COMMIT).unlink()
    except (OSError, InputError):  # a read-only folder, or one without locks: what is wrong is said all the same
        return False
    return True


def _problems_of_scores(folder: Path, run: Path, samples: int | None) -> Iterator[Problem]:
    """What is wrong with the files that scoring left in a unit's folder, or, without `samples`, in a cell's."""
    from gill_bench.runs.scoring.features import load_features

    mend = f"remove it, then: {command('score', run)}"
    for file in sorted(folder.glob("score-*.json")):
        try:
            content = from_sealed_json(file.read_text(encoding="utf-8"))
            _ = content["signature"], [float(value) for *_, value in content.get("values", ())]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            yield Problem(file.relative_to(run).as_posix(), f"damaged ({error!r}); {mend}")
    for file in sorted(folder.glob("features-*.npy")):
        try:
            rows = len(load_features(file)[0])
        except (OSError, ValueError, EOFError, TypeError) as error:
            yield Problem(file.relative_to(run).as_posix(), f"damaged ({error!r}); {mend}")
        else:
            if samples is not None and rows != samples:
                yield Problem(file.relative_to(run).as_posix(), f"{rows} rows for {samples} samples; {mend}")


def _problems_of_results(run: Path, stored: _Stored, *, skip_counts: bool) -> Iterator[Problem]:
    """What is wrong with spec.json and results.json, each alone and with the units.

    Args:
        run: The run directory.
        stored: How many examples are stored.
        skip_counts: Numbers cannot agree with units of which some are damaged.
    """
    try:
        spec = read_spec(run)
        recipes = {(one["task"], one["model"], one["context"]): one["recipe"] for one in spec["cells"]}
    except InputError as error:
        yield Problem("spec.json", str(error).removeprefix(f"{run / 'spec.json'}: "))
        return
    if not (run / "results.json").exists():
        return  # never scored, or stopped before: nothing is damaged
    try:
        rows = read_results(run / "results.json").rows
    except InputError as error:
        yield Problem("results.json", str(error).removeprefix(f"{run / 'results.json'}: "))
        return
    for row in rows:
        wrong = _wrong_counts(row, recipes, {} if skip_counts else stored)
        if wrong:
            where = f"{row.task}/{row.model}/{row.context}, {row.metric}, seed {row.seed}"
            yield Problem("results.json", f"{where}: {wrong}; write it again with: {command('score', run)}")


def _wrong_counts(row: Row, recipes: Mapping[tuple[str, str, str], Any], stored: _Stored) -> str:
    """What is wrong with a row's counts, or ""."""
    counts = (row.n_scored, row.n_missing, row.n_failed, row.n_refused, row.n_not_made)
    if sum(counts) != row.n_expected:
        told = " + ".join(map(str, counts))
        return f"{row.n_expected} expected, but {told} scored, missing, failed, refused and not made"
    place = (row.task, row.model, row.context)
    recipe = recipes.get(place)
    if recipe is None:
        return "spec.json has no such task, model and context"
    if not stored or recipe.get("asks") == "nothing":  # labels alone: no outputs are stored
        return ""
    seeds = stored.get((*place, digest(recipe)), Counter())
    there = seeds[row.seed] if row.seed in seeds else max(seeds.values(), default=0)
    return f"{row.n_scored} scored, but {there} stored" if row.n_scored > there else ""
