"""Scoring pictures one by one: each generated picture against its example's reference picture."""

from __future__ import annotations

import io
import math
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.datasets import Example
from gill_bench.engines.engine import CHEAP, Engine
from gill_bench.engines.job import JobGroup, JobResult
from gill_bench.errors import GillBenchError
from gill_bench.planning.cells import Cell
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.progress import Progress, say
from gill_bench.rundir.load import read_picture_scores
from gill_bench.rundir.load_units import file_hashes, read_picture, read_samples, unit_content
from gill_bench.rundir.records import PictureScores, Sample, Unit
from gill_bench.rundir.writer import write_scores
from gill_bench.scoring.number import Number
from gill_bench.scoring.tool import MetricLoadable
from gill_bench.storage.files import remove_temporary, was_absent
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead
from gill_bench.storage.sealed import DamagedFileError

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

    from gill_bench.metrics.picture import PictureMetric

_REFERENCES_KEPT = 16  # LPIPS features of a 256-pixel picture take some 5 MB


@dataclass(frozen=True)
class StoredUnit:
    """A committed unit and where it is."""

    cell: Cell
    folder: Path
    unit: Unit

    @property
    def samples(self) -> int:
        """Outputs in it."""
        return len(self.unit.examples) * len(self.unit.seeds)

    def part(self) -> StoredUnit:
        """The same with what it needs of its cell and no more."""
        return replace(self, cell=self.cell.part([name for name, _ in self.unit.examples]))


@dataclass(slots=True)
class _Outcomes:
    """What one seed's pictures came to: values by example id, and how many of them were made how."""

    values: dict[str, float] = field(default_factory=dict)
    truncated: int = 0
    flagged: int = 0


def works_of(stored: Sequence[tuple[Cell, Mapping[str, Unit]]], run: Path) -> list[StoredUnit]:
    """Committed units in the order of the data.

    Those of the same examples follow one another, so that a reference's features serve all models and contexts.
    """
    works = [StoredUnit(cell, cell.folder(run) / name, unit) for cell, units in stored for name, unit in units.items()]
    if works:
        order = {example.id: place for place, example in enumerate(works[0].cell.task.examples)}
        works.sort(key=lambda work: min(order.get(name, len(order)) for name, _ in work.unit.examples))
    return works


def score(
    asked: ResolvedMetric,
    stored: Sequence[tuple[Cell, Mapping[str, Unit]]],
    run: Path,
    engine: Engine,
    progress: Progress,
) -> None:
    """Write one value per stored picture into `score-<metric>-<key>.json` beside it."""
    todo = [
        work
        for work in works_of(stored, run)
        if was_absent(work.folder / asked.file_name) or read_values(work, asked) is None
    ]
    if not todo:
        return
    # Units of the same examples are one job, so that a reference's features serve all models and contexts.
    groups = [tuple(group) for _, group in groupby(todo, key=lambda work: [name for name, _ in work.unit.examples])]
    samples = sum(work.samples for work in todo)
    step = progress(f"scoring {asked.name}", samples)
    jobs = (ScorePairs(tuple(work.part() for work in group), asked) for group in groups)
    batch = JobGroup(PairsLoadable(asked), jobs, len(groups), lambda job, _: step(job.size))
    engine.work([batch], samples // CHEAP)


@dataclass(frozen=True)
class PairsLoadable(MetricLoadable):
    """A metric's backbone as what jobs need loaded."""

    def load(self, device: str) -> tuple[PictureMetric, _References]:
        """The backbone, and what it computed of reference pictures."""
        scorer = self.asked.load(device)
        return scorer, _References(scorer, self.asked.picture_size)


@dataclass(frozen=True)
class ScorePairs:
    """The pictures of some units, to be scored with one metric."""

    works: tuple[StoredUnit, ...]
    asked: ResolvedMetric

    @property
    def key(self) -> str:
        """That of the first unit."""
        return self.works[0].folder.name

    @property
    def size(self) -> int:
        """Pictures."""
        return sum(work.samples for work in self.works)

    def is_done(self, run: Path) -> bool:
        """Whether all are scored."""
        return all(read_values(work, self.asked) is not None for work in self.works)

    def prepared(self) -> ScorePairs:
        """The job itself: its data is read while it is done."""
        return self

    def do(self, loaded: tuple[PictureMetric, _References], run: Path, device: str, may_fail: int) -> JobResult:
        """Score those that are not."""
        for work in self.works:
            if read_values(work, self.asked) is None:
                _score_unit(work, self.asked, *loaded)
        return JobResult()

    def lost(self, reason: str) -> JobResult:
        """Nothing can be said without these values."""
        raise GillBenchError(f"{self.works[0].folder}: workers died scoring it: {reason}")


def numbers(cell: Cell, units: Mapping[str, Unit], run: Path, asked: ResolvedMetric) -> list[Number]:
    """A mean per seed."""
    outcomes = _outcomes(cell, units, run, asked)
    usable = [example for example, _, _ in cell.usable.values()]
    found = []
    for seed in cell.seeds:
        one = outcomes.pop(seed, None) or _Outcomes()
        scored = {e.id: one.values[e.id] for e in usable if e.id in one.values}
        found.append(
            Number(
                asked.name,
                seed,
                _mean(cell, usable, scored, asked),
                asked.pairs.higher_is_better,
                len(scored),
                truncated=one.truncated,
                flagged=one.flagged,
                each=scored,
            )
        )
    return found


def read_values(work: StoredUnit, asked: ResolvedMetric) -> dict[tuple[str, int], float] | None:
    """A unit's values by (example, seed), if there is one for every output that is asked for now.

    Returns:
        None if the unit is not scored, or for other examples only, if its outputs were made again since, or if a
        reference picture is no longer the same.
    """
    try:
        stored = read_picture_scores(work.folder / asked.file_name, "scored again")
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        say(f"warning: {error}")
        return None
    if stored.content != unit_content(work.folder):  # also of an older version, which did not say
        return None
    values = {(name, seed): value for name, seed, value in stored.values}
    for name, _ in work.unit.examples:
        if stored.references.get(name) != _reference_digest(work.cell, work.cell.usable[name][0]):
            return None
        if any((name, seed) not in values for seed in work.unit.seeds):
            return None
    return values


def read_output(file: Path, sha256: str) -> Image:
    """Read a stored picture once, and check that it is the one that was committed."""
    return load_image(io.BytesIO(read_picture(file, sha256)))


def _score_unit(work: StoredUnit, asked: ResolvedMetric, scorer: PictureMetric, references: _References) -> None:
    remove_temporary(work.folder, ".score-*.tmp")
    hashes = file_hashes(work.folder)
    held = unit_content(work.folder)
    valid = {name for name, _ in work.unit.examples}
    values: list[tuple[str, int, float]] = []
    used: dict[str, str] = {}
    # Others were stored for an earlier command, or are no longer the same.
    samples = [sample for sample in read_samples(work.folder) if sample.example in valid]

    def read(sample: Sample) -> torch.Tensor:
        return scorer.prepare(read_output(work.folder / sample.image, hashes[sample.image]))

    pictures = read_ahead(read, samples)
    for name, group in groupby(samples, key=lambda sample: sample.example):
        mine = list(group)
        example = work.cell.usable[name][0]
        generated = scorer.embed(list(islice(pictures, len(mine))))
        found = scorer.compare(generated, references.of(work.cell, example))
        values += [(name, sample.seed, float(value)) for sample, value in zip(mine, found, strict=True)]
        used[name] = _reference_digest(work.cell, example)
    scores = PictureScores(asked.name, asked.signature, held, tuple(values), used)
    write_scores(work.folder / asked.file_name, scores)


class _References:
    """Features of reference pictures, computed once for all models, contexts and seeds that follow one another."""

    def __init__(self, scorer: PictureMetric, picture_size: int) -> None:
        self._scorer, self._size = scorer, picture_size
        self._kept: OrderedDict[str, list[torch.Tensor]] = OrderedDict()

    def of(self, cell: Cell, example: Example) -> list[torch.Tensor]:
        key = _reference_digest(cell, example)
        if key not in self._kept:
            if example.target is None or example.target.file is None:
                raise GillBenchError(f"example {example.id} has no reference picture")
            self._kept[key] = self._scorer.features([load_image(example.target.file, squash=self._size)])
            if len(self._kept) > _REFERENCES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def _reference_digest(cell: Cell, example: Example) -> str:
    return cell.task.checked[example.target.id].sha256 if example.target else ""


def _outcomes(cell: Cell, units: Mapping[str, Unit], run: Path, asked: ResolvedMetric) -> dict[int, _Outcomes]:
    """By seed. Ids are those of the plan: what is read again for each sample would be there once for each."""
    found: dict[int, _Outcomes] = {}
    for name, unit in sorted(units.items()):
        folder = cell.folder(run) / name
        ids = {example: example for example, _ in unit.examples}
        values = read_values(StoredUnit(cell, folder, unit), asked)
        if values is None:
            continue
        for sample in read_samples(folder):
            one = found.setdefault(sample.seed, _Outcomes())
            place = (sample.example, sample.seed)
            if sample.example in ids and place in values and sample.example not in one.values:
                one.values[ids[sample.example]] = values[place]
                one.truncated += sample.truncated
                one.flagged += sample.flagged
    return found


def _mean(cell: Cell, usable: Sequence[Example], scored: Mapping[str, float], asked: ResolvedMetric) -> float | None:
    if not scored:
        return None
    if cell.task.card.scoring.get("layout") != "authors_layout":
        return math.fsum(scored.values()) / len(scored)
    # Outputs are named by target picture: of the stories that share one, the last overwrites the others.
    last = {example.target: scored[example.id] for example in usable if example.id in scored}
    if getattr(asked.pairs, "averaged_per_target", False):
        return math.fsum(last.values()) / len(last)
    return math.fsum(last[example.target] for example in usable if example.id in scored) / len(scored)
