"""Metrics that compare pictures one by one: each generated picture with the target picture of its example."""

from __future__ import annotations

import io
import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.datasets import Example
from gill_bench.engines.engine import CHEAP, Engine
from gill_bench.engines.job import JobGroup, JobResult
from gill_bench.errors import GillBenchError, first_line, memory_ran_out
from gill_bench.interfaces import Score
from gill_bench.planning.cells import Cell
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.planning.settings import LAYOUT
from gill_bench.progress import Progress, say
from gill_bench.rundir.load import read_picture_scores
from gill_bench.rundir.load_units import file_hashes, read_picture
from gill_bench.rundir.records import PictureScores, Sample
from gill_bench.rundir.writer import write_scores
from gill_bench.scoring.stored import StoredCell, StoredUnit
from gill_bench.storage.files import remove_temporary, was_absent
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead
from gill_bench.storage.sealed import DamagedFileError

if TYPE_CHECKING:
    import torch

    from gill_bench.metrics.picture import PictureMetric

_TARGETS_KEPT = 16  # LPIPS features of a 256-pixel picture take some 5 MB


def in_order_of_data(cells: Sequence[StoredCell]) -> list[StoredUnit]:
    """The units of several cells of one task in the order of the data.

    Units with the same examples follow one another, so that the features of a target picture are computed once for all
    models and contexts.
    """
    units = [unit for stored in cells for unit in stored.units]
    if units:
        position = {example.id: number for number, example in enumerate(units[0].cell.task.examples)}
        units.sort(key=lambda unit: min(position.get(name, len(position)) for name, _ in unit.unit.examples))
    return units


def score(metric: ResolvedMetric, cells: Sequence[StoredCell], engine: Engine, progress: Progress) -> None:
    """Write one value per stored picture into `score-<metric>-<key>.json` of its unit."""
    todo = [
        unit
        for unit in in_order_of_data(cells)
        if was_absent(unit.folder / metric.file_name) or _read_values(unit, metric) is None
    ]
    if not todo:
        return
    # Units with the same examples are one job, so that a target's features serve all models and contexts.
    groups = [tuple(group) for _, group in groupby(todo, key=lambda unit: [name for name, _ in unit.unit.examples])]
    samples = sum(unit.size for unit in todo)
    step = progress(f"scoring {metric.name}", samples)
    jobs = (ScorePairs(tuple(unit.part() for unit in group), metric) for group in groups)
    group = JobGroup(PictureMetricLoadable(metric), jobs, len(groups), lambda job, _: step(job.size))
    engine.work([group], samples // CHEAP)


@dataclass(frozen=True)
class NetworkLoadable:
    """The network of a metric; a subclass loads it.

    Attributes:
        metric: The metric.
        name: Empty: loading a metric's network is not worth a message.
        folders: Empty: a metric's network shares no weights with a model.
    """

    metric: ResolvedMetric
    name: str = ""
    folders: frozenset[Path] = frozenset()

    @property
    def key(self) -> str:
        """The metric's name and digest."""
        return f"{self.metric.short_name}-{self.metric.key}"


@dataclass(frozen=True)
class PictureMetricLoadable(NetworkLoadable):
    """A metric that compares pictures, with its network."""

    def load(self, device: str) -> tuple[PictureMetric, _Targets]:
        """Load the metric; the table beside it keeps features of target pictures."""
        loaded = self.metric.load(device)
        return loaded, _Targets(loaded, self.metric.picture_size)


@dataclass(frozen=True)
class ScorePairs:
    """The job of scoring the pictures of some units with one metric.

    Attributes:
        units: The units, which have the same examples.
        metric: The metric.
    """

    units: tuple[StoredUnit, ...]
    metric: ResolvedMetric

    @property
    def key(self) -> str:
        """The key of the first unit."""
        return self.units[0].folder.name

    @property
    def size(self) -> int:
        """The number of pictures."""
        return sum(unit.size for unit in self.units)

    def is_done(self, run: Path) -> bool:
        """Whether all pictures are scored already."""
        return all(_read_values(unit, self.metric) is not None for unit in self.units)

    def prepared(self) -> ScorePairs:
        """The job itself: its data is read while it is done."""
        return self

    def do(self, loaded: tuple[PictureMetric, _Targets], run: Path, device: str, may_fail: int) -> JobResult:
        """Score the units that are not scored yet."""
        for unit in self.units:
            if _read_values(unit, self.metric) is None:
                _score_unit(unit, self.metric, *loaded)
        return JobResult()

    def lost(self, reason: str) -> JobResult:
        """Raise an error, since a mean without these pictures would be of others than it says."""
        raise GillBenchError(f"{self.units[0].folder}: workers died scoring it: {reason}")


def mean_scores(stored: StoredCell, metric: ResolvedMetric) -> Iterator[tuple[int, Score]]:
    """The mean over a cell's pictures for each seed."""
    values = _values_by_seed(stored, metric)
    usable = [example for example, _, _ in stored.cell.usable.values()]
    for seed in stored.cell.seeds:
        of_seed = values.pop(seed, None) or _SeedValues()
        scored = {example.id: of_seed.values[example.id] for example in usable if example.id in of_seed.values}
        yield (
            seed,
            Score(
                metric.name,
                _mean(stored.cell, usable, scored, metric),
                metric.pairs.higher_is_better,
                len(scored),
                each=scored,
                truncated=of_seed.truncated,
                flagged=of_seed.flagged,
            ),
        )


def _read_values(unit: StoredUnit, metric: ResolvedMetric) -> dict[tuple[str, int], float] | None:
    """The values of a unit's pictures by (example, seed).

    Returns:
        None if a picture that counts has no value, if the unit's outputs were made again since they were scored, or if
        a target picture is no longer the same.
    """
    try:
        scores = read_picture_scores(unit.folder / metric.file_name, "scored again")
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        say(f"warning: {error}")
        return None
    if scores.content != unit.content:  # a file of an older version does not say of which outputs it is
        return None
    values = {(name, seed): value for name, seed, value in scores.values}
    for name, _ in unit.unit.examples:
        if scores.references.get(name) != _target_digest(unit.cell, unit.cell.usable[name][0]):
            return None
        if any((name, seed) not in values for seed in unit.unit.seeds):
            return None
    return values


def _score_unit(unit: StoredUnit, metric: ResolvedMetric, loaded: PictureMetric, targets: _Targets) -> None:
    remove_temporary(unit.folder, ".score-*.tmp")
    hashes, content = file_hashes(unit.folder), unit.content
    values: list[tuple[str, int, float]] = []
    used: dict[str, str] = {}
    samples = unit.samples()

    def read(sample: Sample) -> torch.Tensor:
        picture = read_picture(unit.folder / sample.image, hashes[sample.image])  # the file is read once, and checked
        return loaded.prepare(load_image(io.BytesIO(picture)))

    pictures = read_ahead(read, samples)
    for name, group in groupby(samples, key=lambda sample: sample.example):
        samples_of_example = list(group)
        example = unit.cell.usable[name][0]
        try:
            generated = loaded.embed(list(islice(pictures, len(samples_of_example))))
            compared = loaded.compare(generated, targets.features(unit.cell, example))
        except GillBenchError:
            raise
        except Exception as error:  # the code of a metric may be a user's own
            reason = memory_ran_out(error) or f"{type(error).__name__}: {first_line(error)}"
            raise GillBenchError(f"{unit.cell.key}, example {name}: {reason}") from error
        values += [
            (name, sample.seed, float(value)) for sample, value in zip(samples_of_example, compared, strict=True)
        ]
        used[name] = _target_digest(unit.cell, example)
    scores = PictureScores(metric.name, metric.signature, content, tuple(values), used)
    write_scores(unit.folder / metric.file_name, scores)


class _Targets:
    """Features of target pictures, computed once for all models, contexts and seeds that follow one another."""

    def __init__(self, loaded: PictureMetric, picture_size: int) -> None:
        self._metric, self._size = loaded, picture_size
        self._kept: OrderedDict[str, list[torch.Tensor]] = OrderedDict()

    def features(self, cell: Cell, example: Example) -> list[torch.Tensor]:
        key = _target_digest(cell, example)
        if key not in self._kept:
            if example.target is None or example.target.file is None:
                raise GillBenchError(f"example {example.id} has no target picture")
            self._kept[key] = self._metric.features([load_image(example.target.file, squash=self._size)])
            if len(self._kept) > _TARGETS_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _target_digest(cell: Cell, example: Example) -> str:
    return cell.task.checked[example.target.id].sha256 if example.target else ""


@dataclass(slots=True)
class _SeedValues:
    """The values of one seed's pictures by example id, and how many of them were truncated or flagged."""

    values: dict[str, float] = field(default_factory=dict)
    truncated: int = 0
    flagged: int = 0


def _values_by_seed(stored: StoredCell, metric: ResolvedMetric) -> dict[int, _SeedValues]:
    """The values by seed. Keys are the ids of the plan: ids that are read again for each sample would fill memory."""
    by_seed: dict[int, _SeedValues] = {}
    for unit in stored.units:
        values = _read_values(unit, metric)
        if values is None:
            continue
        ids = {name: name for name, _ in unit.unit.examples}
        for sample in unit.samples():
            of_seed = by_seed.setdefault(sample.seed, _SeedValues())
            if sample.key in values and sample.example not in of_seed.values:
                of_seed.values[ids[sample.example]] = values[sample.key]
                of_seed.truncated += sample.truncated
                of_seed.flagged += sample.flagged
    return by_seed


def _mean(cell: Cell, usable: Sequence[Example], scored: Mapping[str, float], metric: ResolvedMetric) -> float | None:
    if not scored:
        return None
    if LAYOUT.of(cell.task.card.scoring) == "story":
        return math.fsum(scored.values()) / len(scored)
    # The authors name outputs by target picture: of the stories that share one, the last overwrites the others.
    last = {example.target: scored[example.id] for example in usable if example.id in scored}
    if getattr(metric.pairs, "averaged_per_target", False):
        return math.fsum(last.values()) / len(last)
    return math.fsum(last[example.target] for example in usable if example.id in scored) / len(scored)
