"""The time, disk and memory that a plan needs, from the units that were stored before and the files of weights.

Nothing is loaded and no number is assumed: without stored units of the same model, time and disk are unknown, unless a
pilot (`gill_bench.analysis.pilot`) measures them. A model is the same if its adapter, its weights and its settings are,
and it is asked for the same kind of output.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gill_bench.devices import device_is_here
from gill_bench.errors import InputError
from gill_bench.models import check_settings
from gill_bench.models.precision import bytes_of_precision
from gill_bench.planning.cells import digest_of_model, output_kind_in
from gill_bench.planning.plan import Plan
from gill_bench.planning.recipe import device_name
from gill_bench.planning.resolved import ResolvedModel
from gill_bench.progress import say
from gill_bench.rundir.folders import cell_folder, unit_folders
from gill_bench.rundir.load import read_spec
from gill_bench.rundir.load_units import DamagedUnitError, read_commit
from gill_bench.rundir.records import SPEC, CellKey, Commit
from gill_bench.storage.files import list_now
from gill_bench.storage.paths import is_remote
from gill_bench.weights.find import Weights
from gill_bench.weights.sizes import memory_of

_ENOUGH = 64
"""Units of a stored cell that are read; their names are hashes, so that the first ones are as good as any."""


class _Model(NamedTuple):
    """The digest of a model (`Cell.model_digest`), and the kind of output that it is asked for."""

    digest: str
    asks: str


@dataclass(frozen=True, slots=True)
class _StoredUnit:
    run: Path
    cell_key: CellKey
    samples: int
    seconds: float | None
    size: int | None


@dataclass(frozen=True, slots=True)
class CellForecast:
    """The need of one line of a plan.

    Attributes:
        cell_key: The cell.
        samples: The number of samples that this command makes.
        seconds: The seconds of one worker for them; None if unknown.
        size: Their bytes on disk; None if unknown.
        measured: The number of samples that `seconds` follows from.
        others: Whether these are of other contexts or tasks, since none of the same is stored.
        pilot_calls: The number of a pilot's calls that these samples are of; 0 if they are stored ones.
    """

    cell_key: CellKey
    samples: int
    seconds: float | None
    size: int | None
    measured: int = 0
    others: bool = False
    pilot_calls: int = 0


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """The memory of a model.

    Attributes:
        model: The name of the model's card.
        weights: The bytes of its weights in the precision that they are loaded with, at most.
        peak: The most bytes that a pilot took on an accelerator; None if there was none.
    """

    model: str
    weights: int
    peak: int | None = None


@dataclass(frozen=True, slots=True)
class Forecast:
    """The need of a plan.

    Attributes:
        cells: The cells, in the order of the plan.
        models: The models that the cells need. A worker holds one at a time.
        runs: The run directories whose units `cells` follow from.
        device: The kind of device on which the units that count for the time were made.
        workers: The number of workers; 0 if the engine chooses it later.
        free: The bytes that are free on the disk of the run directory; None in an object store.
        shard: Which part of how many parts this command makes, which alone is counted.
        pilot_errors: Sentences about models that a pilot could not load or ask.
    """

    cells: tuple[CellForecast, ...]
    models: tuple[ModelForecast, ...]
    runs: tuple[Path, ...]
    device: str
    workers: int
    free: int | None
    shard: tuple[int, int] = (1, 1)
    pilot_errors: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """The seconds of one worker for all cells; None if those of a cell are unknown."""
        known = [cell.seconds for cell in self.cells if cell.seconds is not None]
        return sum(known) if len(known) == len(self.cells) else None

    @property
    def size(self) -> int:
        """The bytes of all cells for which they are known."""
        return sum(cell.size or 0 for cell in self.cells)

    @property
    def sizes_known(self) -> bool:
        """Whether the bytes of every cell are known."""
        return all(cell.size is not None for cell in self.cells)


def forecast(plan: Plan) -> Forecast:
    """The time, disk and memory that a plan needs.

    Time and disk follow from the units in the run directory and in the runs beside it; time from units that were made
    on the same kind of device alone.
    """
    share = [planned for planned in plan.share if planned.cell.asks != "nothing"]
    out = plan.request.out
    name = device_name(plan.device) if plan.device.startswith("cuda") and device_is_here(plan.device) else ""
    wanted = {_Model(planned.cell.model_digest, planned.cell.asks) for planned in share if planned.pending}
    stored: dict[_Model, list[_StoredUnit]] = {}
    for model, unit in _stored_units(_runs_around(out), wanted, plan.device, name):
        stored.setdefault(model, []).append(unit)
    cells = []
    for planned in share:
        cell = planned.cell
        units = stored.get(_Model(cell.model_digest, cell.asks), [])
        cells.append(_cell_forecast(cell.key, planned.samples_pending, units))
    needed = {planned.cell.model_digest for planned in share if planned.pending}
    memory = cache(memory_of)  # models share components
    models = [_model_forecast(model, plan.device, memory) for digest, model in plan.models.items() if digest in needed]
    largest = {model.model: max(other.weights for other in models if other.model == model.model) for model in models}
    return Forecast(
        tuple(cells),
        tuple(ModelForecast(name, weights) for name, weights in largest.items()),
        tuple(dict.fromkeys(unit.run for units in stored.values() for unit in units)),
        name or plan.device.partition(":")[0],
        len(plan.options.devices) * (plan.options.workers or (1 if plan.options.engine == "local" else 0)),
        None if is_remote(out) else shutil.disk_usage(_existing(out.absolute())).free,
        plan.request.shard,
    )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _runs_around(out: Path) -> Iterator[Path]:
    """The run directory itself, if it is one already, and the runs beside it, which object stores are not asked for."""
    if (out / SPEC).is_file():
        yield out
    if not is_remote(out):
        parent = out.parent if out.name not in ("", "..") else out.resolve().parent
        beside = (file.parent for file in sorted(parent.glob(f"*/{SPEC}")))
        yield from (run for run in beside if run.resolve() != out.resolve())


def _stored_units(
    runs: Iterable[Path], wanted: set[_Model], device: str, name: str
) -> Iterator[tuple[_Model, _StoredUnit]]:
    for run in runs if wanted else ():
        try:
            spec = read_spec(run)
        except InputError as error:
            say(f"warning: {error}; its units say nothing about time and disk")
            continue
        for cell in spec.cells:
            model = _Model(digest_of_model(cell.model, cell.recipe), output_kind_in(cell.recipe))
            if model not in wanted:
                continue
            folder = cell_folder(run, cell.cell_key)
            list_now(folder)
            for unit_folder in islice(unit_folders(folder), _ENOUGH):
                try:
                    commit = read_commit(unit_folder)
                except DamagedUnitError:  # `gill-bench verify` says so; it cannot be measured
                    continue
                if commit.unit.recipe == cell.recipe_digest and commit.unit.size:
                    seconds = _seconds(commit, device, name)
                    yield model, _StoredUnit(run, cell.cell_key, commit.unit.size, seconds, _size(unit_folder))


def _seconds(commit: Commit, device: str, name: str) -> float | None:
    """The seconds of a unit that was made on this kind of device; None for any other unit.

    Earlier versions recorded no name of an accelerator: of their units the type of the device must do.
    """
    seconds, other = commit.made.get("seconds"), str(commit.made.get("device", ""))
    other_name = commit.made.get("device_name", "")
    same = other.partition(":")[0] == device.partition(":")[0] and (not name or not other_name or name == other_name)
    return float(seconds) if same and isinstance(seconds, int | float) else None


def _size(unit_folder: Path) -> int | None:
    """The bytes of a unit's folder, scores of its pictures included; None in an object store."""
    if is_remote(unit_folder):
        return None
    return sum(file.stat().st_size for file in unit_folder.iterdir() if file.is_file())


def _cell_forecast(cell_key: CellKey, samples: int, units: Sequence[_StoredUnit]) -> CellForecast:
    """The need of a cell by units of its model: those of the same cell, else of the same task, else all."""
    if not samples:
        return CellForecast(cell_key, 0, 0.0, 0)
    timed, alike = _nearest(cell_key, [unit for unit in units if unit.seconds is not None])
    sized, _ = _nearest(cell_key, [unit for unit in units if unit.size is not None])
    of_timed, of_sized = (sum(unit.samples for unit in group) for group in (timed, sized))
    return CellForecast(
        cell_key,
        samples,
        sum(unit.seconds or 0.0 for unit in timed) / of_timed * samples if timed else None,
        round(sum(unit.size or 0 for unit in sized) / of_sized * samples) if sized else None,
        of_timed,
        bool(timed) and not alike,
    )


def _nearest(cell_key: CellKey, units: Sequence[_StoredUnit]) -> tuple[Sequence[_StoredUnit], bool]:
    same = [unit for unit in units if unit.cell_key == cell_key]
    of_task = [unit for unit in units if unit.cell_key.task == cell_key.task]
    return same or of_task or units, bool(same)


def _model_forecast(model: ResolvedModel, device: str, memory: Callable[[Weights, int | None], int]) -> ModelForecast:
    settings, of_files = check_settings(model.card), model.described.facts.get("files", "")
    usual = getattr(settings, "dtype", None)
    sizes = (
        memory(weights, bytes_of_precision(getattr(settings, f"{name}_dtype", usual), device, of_files))
        for name, weights in model.weights.items()
    )
    return ModelForecast(model.card.name, sum(sizes))
