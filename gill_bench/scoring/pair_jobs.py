"""The job of scoring the pictures of units with all metrics that compare pictures one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.engines.job import JobResult, Unwritten
from gill_bench.errors import GillBenchError
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.rundir.records import PictureScores
from gill_bench.rundir.writer import write_scores
from gill_bench.scoring.pair_values import read_values, target_digest
from gill_bench.scoring.pictures import UnitPictures, read_first
from gill_bench.scoring.stored import StoredUnit
from gill_bench.storage.files import remove_temporary

if TYPE_CHECKING:
    from gill_bench.scoring.pair_networks import LoadedMetrics


@dataclass(frozen=True)
class PairLoadable:
    """The networks of metrics that compare pictures.

    Attributes:
        metrics: The metrics.
        name: Empty: loading the networks of metrics is not worth a message.
        folders: Empty: these networks share no weights with a model.
    """

    metrics: tuple[ResolvedMetric, ...]
    name: str = ""
    folders: frozenset[Path] = frozenset()

    @property
    def key(self) -> str:
        """The names and digests of the metrics."""
        return " ".join(f"{metric.short_name}-{metric.key}" for metric in self.metrics)

    def load(self, device: str) -> LoadedMetrics:
        """Load the networks."""
        from gill_bench.scoring.pair_networks import LoadedMetrics

        loaded = [metric.load(device) for metric in self.metrics]
        return LoadedMetrics(loaded, self.metrics[0].picture_size, device)


@dataclass(frozen=True)
class ScorePairs:
    """The job of scoring the pictures of some units.

    Attributes:
        units: The units, which have the same examples.
        metrics: The metrics.
        read: The units' records and first pictures; () if they are still to be read.
    """

    units: tuple[StoredUnit, ...]
    metrics: tuple[ResolvedMetric, ...]
    read: tuple[UnitPictures, ...] = ()

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
        return not any(self._lacking(unit) for unit in self.units)

    def _lacking(self, unit: StoredUnit) -> list[ResolvedMetric]:
        return [metric for metric in self.metrics if read_values(unit, metric) is None]

    def prepared(self) -> ScorePairs:
        """The job with the records of its units and the first pictures."""
        read = tuple(UnitPictures.of(unit) for unit in self.units if self._lacking(unit))
        read_first(read)
        return replace(self, read=read)

    def do(self, loaded: LoadedMetrics, run: Path, device: str, may_fail: int) -> Unwritten:
        """Compute the values of the units that are not scored yet."""
        units = self.read or tuple(UnitPictures.of(unit) for unit in self.units if self._lacking(unit))
        values, others = loaded.values(units), loaded.values_of_others(self.units[0])
        return Unwritten(lambda: self._write(units, values, others))

    def _write(
        self,
        units: Sequence[UnitPictures],
        values: Sequence[Sequence[Sequence[float]]],
        others: Sequence[Mapping[str, float]],
    ) -> JobResult:
        for unit, by_metric in zip(units, values, strict=True):
            folder, cell = unit.unit.folder, unit.unit.cell
            remove_temporary(folder, ".score-*.tmp")
            used = {name: target_digest(cell, cell.usable[name][0]) for name, _ in unit.by_example}
            lacking = self._lacking(unit.unit)
            for metric, of_metric, of_others in zip(self.metrics, by_metric, others, strict=True):
                if metric in lacking:
                    scored = zip(unit.samples, of_metric, strict=True)
                    each = tuple((sample.example, sample.seed, value) for sample, value in scored)
                    scores = PictureScores(metric.name, metric.signature, unit.content, each, used, of_others)
                    write_scores(folder / metric.file_name, scores)
        return JobResult()

    def lost(self, reason: str) -> JobResult:
        """Raise an error, since a mean without these pictures would be of others than it says."""
        raise GillBenchError(f"{self.units[0].folder}: workers died scoring it: {reason}")
