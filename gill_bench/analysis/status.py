"""The status of a run: what is stored of each cell, how fast it comes, what failed, and how long the rest will take.

Everything is read from the run directory, also while another process works on it; nothing is written, and neither data
nor weights are opened. A run that was never scored has a status too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gill_bench.errors import InputError
from gill_bench.planning.cells import output_kind_in, stored_seeds
from gill_bench.rundir.folders import cell_folder, failure_files, is_unit_name, no_spec, unit_folders
from gill_bench.rundir.kept import KEPT
from gill_bench.rundir.load import read_failure, read_results, read_spec
from gill_bench.rundir.load_units import DamagedUnitError
from gill_bench.rundir.lock import is_under_way
from gill_bench.rundir.records import COMMIT, ENVIRONMENT, RESULTS, CellKey, Commit, LossReason, SpecCell
from gill_bench.rundir.rows import Results, Row, Unmade
from gill_bench.rundir.unit_memory import UnitMemory
from gill_bench.storage.files import list_now
from gill_bench.storage.paths import is_remote

State = Literal["under way", "finished", "not scored", "unfinished"]


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """A committed unit.

    Attributes:
        folder: The unit's folder, relative to the run.
        examples: The number of its examples.
        seeds: The seeds of each example.
        seconds: How long the unit took; None if its record does not say.
        device: The device that it was made on, or "".
        ended: When it was committed, in seconds since 1970; None in an object store.
        pictures: Its pictures, relative to the run, in the order in which they were made.
    """

    folder: str
    examples: int
    seeds: tuple[int, ...]
    seconds: float | None
    device: str
    ended: float | None
    pictures: tuple[str, ...]

    @property
    def samples(self) -> int:
        """The number of its samples: one per example and seed."""
        return self.examples * len(self.seeds)


@dataclass(frozen=True, slots=True)
class CellStatus:
    """A cell of a run.

    Attributes:
        task: Name of the task card.
        model: Name of the model card.
        context: Canonical name of the context.
        seeds: The seeds of its stored samples; none for a cell of which nothing is stored, such as a rule's.
        examples: The number of examples that the model can be asked about; None if the run, of an older version, was
            never scored and does not say.
        done: The number of stored samples.
        kept: Samples that are there, of units that are not complete yet.
        scored: Whether `results.json` has the values of all seeds, with no sample left to be made.
        units: The committed units with the cell's present settings, in the order in which they were committed.
        failures: The examples on which the model failed or which it refused, in groups with the same reason.
        damaged: Sentences about units and records that cannot be read.
    """

    task: str
    model: str
    context: str
    seeds: tuple[int, ...]
    examples: int | None
    done: int
    kept: int
    scored: bool
    units: tuple[UnitStatus, ...]
    failures: tuple[Unmade, ...]
    damaged: tuple[str, ...]

    @property
    def cell_key(self) -> CellKey:
        """The cell's name."""
        return CellKey(self.task, self.model, self.context)

    @property
    def expected(self) -> int | None:
        """The number of samples that the cell has when it is complete; None if unknown."""
        return None if self.examples is None else self.examples * len(self.seeds)

    @property
    def failed(self) -> int:
        """The number of samples on which the model failed, or which it refused."""
        return sum(len(item.examples) * len(item.seeds) for item in self.failures)

    @property
    def pending(self) -> int | None:
        """The number of samples that nobody has tried to make; None if unknown."""
        return None if self.expected is None else max(0, self.expected - self.done - self.failed)

    @property
    def seconds_a_sample(self) -> float | None:
        """The mean seconds that a sample took a worker; None if nothing is stored, or its record does not say."""
        timed = [unit for unit in self.units if unit.seconds is not None]
        samples = sum(unit.samples for unit in timed)
        return sum(unit.seconds or 0.0 for unit in timed) / samples if samples else None


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run.

    Attributes:
        folder: The run directory.
        under_way: Whether a process works on the run now, as far as its locks say.
        cells: The cells that the run was asked for.
        missing: The number of examples whose data is missing, as of the last scoring.
        workers: The mean number of workers at once, of the last command; None if the run does not say.
    """

    folder: Path
    under_way: bool
    cells: tuple[CellStatus, ...]
    missing: int = 0
    workers: float | None = field(default=None)

    @property
    def state(self) -> State:
        """One of "under way", "finished" (stored and scored), "not scored" (all is stored) and "unfinished"."""
        if self.under_way:
            return "under way"
        if any(cell.pending != 0 or cell.failed for cell in self.cells if cell.expected is not None):
            return "unfinished"
        if all(cell.scored for cell in self.cells):
            return "finished"
        return "not scored"

    @property
    def done(self) -> int:
        """The number of stored samples."""
        return sum(cell.done for cell in self.cells)

    @property
    def expected(self) -> int | None:
        """The number of samples of the whole run; None if a cell does not say."""
        counts = [cell.expected for cell in self.cells]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def failures(self) -> tuple[Unmade, ...]:
        """The failed and refused examples of all cells, in groups with the same reason."""
        return tuple(item for cell in self.cells for item in cell.failures)

    @property
    def damaged(self) -> tuple[str, ...]:
        """Sentences about units and records that cannot be read."""
        return tuple(sentence for cell in self.cells for sentence in cell.damaged)

    @property
    def seconds_left(self) -> float | None:
        """How long the samples that are left take with as many workers as before; None if that is not known.

        A cell of which nothing is stored is taken to be as fast as the other cells of its model, or as all cells.
        """
        left = 0.0
        for cell in self.cells:
            if cell.pending is None:
                return None
            if cell.pending:
                of_model = [other for other in self.cells if other.model == cell.model]
                seconds = next(filter(None, map(_mean_seconds, ([cell], of_model, self.cells))), None)
                if seconds is None or self.workers is None:
                    return None
                left += cell.pending * seconds / self.workers
        return left

    def pictures(self, most: int = 5) -> list[Path]:
        """The pictures that came last, the newest first."""
        units = [unit for cell in self.cells for unit in cell.units if unit.pictures]
        units.sort(key=lambda unit: unit.ended or 0.0, reverse=True)
        newest = (picture for unit in units for picture in reversed(unit.pictures))
        return [self.folder / picture for picture, _ in zip(newest, range(most), strict=False)]


def status(run: Path, memory: UnitMemory | None = None) -> RunStatus:
    """Read the status of a run.

    Args:
        run: The run directory.
        memory: Units that were read before, for whoever asks again and again; None for a single question.

    Raises:
        InputError: The folder is not that of a run, or `spec.json` or `results.json` is damaged.
    """
    spec = read_spec(run)
    if not spec.cells:
        raise no_spec(run)
    under_way = is_under_way(run)  # asked first: units that come later are no contradiction
    try:
        results = read_results(run / RESULTS)
    except InputError:
        if (run / RESULTS).is_file():
            raise
        results = Results(())
    cells = tuple(_cell_status(run, cell, results, memory or UnitMemory()) for cell in spec.cells)
    return RunStatus(run, under_way, cells, len(results.missing), _workers(run, cells))


def _cell_status(run: Path, cell: SpecCell, results: Results, memory: UnitMemory) -> CellStatus:
    folder = cell_folder(run, cell.cell_key)
    list_now(folder)
    recipe, seeds = cell.recipe_digest, _seeds_of(cell)
    damaged: list[str] = []
    commits = [
        (path, commit)
        for path, commit in _commits(unit_folders(folder), memory, damaged)
        if commit.unit.recipe == recipe
    ]
    samples = {
        (name, seed)
        for _, commit in commits
        for name, _ in commit.unit.examples
        for seed in commit.unit.seeds
        if seed in seeds
    }
    rows = [row for row in results.rows if row.cell_key == cell.cell_key]
    examples = cell.usable
    if examples is None and rows:
        examples = max(row.n_expected - row.n_missing for row in rows)
    most = len(samples) if examples is None else examples * len(seeds)
    kept_folder = folder / KEPT
    kept = _commits((path for path in unit_folders(kept_folder) if is_unit_name(path.name)), UnitMemory(), damaged)
    units = [_unit_status(run, path, commit) for path, commit in commits]
    return CellStatus(
        *cell.cell_key,
        seeds,
        examples,
        min(len(samples), most),  # a lower limit leaves more stored than is asked for
        sum(commit.unit.size for _, commit in kept if commit.unit.recipe == recipe),
        _is_scored(cell, rows),
        tuple(sorted(units, key=lambda unit: (unit.ended or 0.0, unit.folder))),
        tuple(_failures(cell, folder, samples, damaged)),
        tuple(damaged),
    )


def _seeds_of(cell: SpecCell) -> tuple[int, ...]:
    return stored_seeds(output_kind_in(cell.recipe), cell.seeds)


def _is_scored(cell: SpecCell, rows: Sequence[Row]) -> bool:
    seeds = cell.seeds if cell.row_seeds is None else cell.row_seeds
    return {row.seed for row in rows} >= set(seeds) and not any(row.n_not_made for row in rows)


def _commits(folders: Iterable[Path], memory: UnitMemory, damaged: list[str]) -> Iterator[tuple[Path, Commit]]:
    """Read each unit's `unit.json`; a sentence about each that is damaged is added to `damaged`."""
    for folder in folders:
        try:
            yield folder, memory.commit(folder)
        except DamagedUnitError as error:
            if (folder / COMMIT).is_file():  # otherwise the unit has been taken away since it was listed
                damaged.append(str(error))


def _unit_status(run: Path, folder: Path, commit: Commit) -> UnitStatus:
    seconds, device = commit.made.get("seconds"), commit.made.get("device")
    name = folder.relative_to(run).as_posix()
    return UnitStatus(
        name,
        len(commit.unit.examples),
        commit.unit.seeds,
        float(seconds) if isinstance(seconds, int | float) else None,
        str(device or ""),
        _modified(folder / COMMIT),
        tuple(f"{name}/{file}" for file in commit.files if file.endswith(".png")),
    )


def _modified(file: Path) -> float | None:
    """When a file was last written, in seconds since 1970; None if it is in an object store, or gone."""
    if is_remote(file):
        return None
    try:
        return file.stat().st_mtime
    except FileNotFoundError:
        return None


def _failures(cell: SpecCell, folder: Path, samples: set[tuple[str, int]], damaged: list[str]) -> Iterator[Unmade]:
    """The records of failures that count: with the cell's recipe, of samples that are not stored."""
    groups: dict[tuple[LossReason, tuple[int, ...], str, str], list[tuple[str, str]]] = {}
    recipe, seen = cell.recipe_digest, set[tuple[str, int]]()
    for file in failure_files(folder):
        try:
            record = read_failure(file)
        except FileNotFoundError:  # the sample has been made since the folder was listed
            continue
        except (OSError, ValueError) as error:
            damaged.append(f"{file} is damaged ({error})")
            continue
        seeds = tuple(seed for seed in record.seeds if (record.example, seed) not in samples | seen)
        if record.recipe == recipe and seeds:
            seen |= {(record.example, seed) for seed in seeds}
            key = (record.reason.outcome, seeds, str(record.reason), record.reason.where)
            groups.setdefault(key, []).append((record.example, (cell.cell_key.path / record.file).as_posix()))
    for (outcome, seeds, reason, where), examples in groups.items():
        names = tuple(name for name, _ in examples)
        yield Unmade(*cell.cell_key, outcome, seeds, names, reason, where, examples[0][1])


def _mean_seconds(cells: Sequence[CellStatus]) -> float | None:
    means = [cell.seconds_a_sample for cell in cells]
    known = [mean for mean in means if mean is not None]
    return sum(known) / len(known) if known else None


def _workers(run: Path, cells: Sequence[CellStatus]) -> float | None:
    """How many workers were busy on average: the seconds that units took, over the seconds in which any was in work.

    Units of the last command count; if it has stored none yet, those of the commands before it.
    """
    began = _modified(run / ENVIRONMENT) or 0.0
    timed = [
        (unit.ended, unit.seconds)
        for cell in cells
        for unit in cell.units
        if unit.ended is not None and unit.seconds is not None
    ]
    spans = sorted((ended - seconds, ended) for ended, seconds in timed if ended >= began)
    spans = spans or sorted((ended - seconds, ended) for ended, seconds in timed)
    busy, last = 0.0, 0.0
    for start, end in spans:
        busy += max(0.0, end - max(start, last))
        last = max(last, end)
    return max(1.0, sum(end - start for start, end in spans) / busy) if busy > 0 else None
