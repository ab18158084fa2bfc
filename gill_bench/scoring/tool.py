"""A metric's network as what the jobs of scoring need loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gill_bench.planning.metrics import ResolvedMetric


@dataclass(frozen=True)
class MetricLoadable:
    """A `gill_bench.engines.job.Tool` but for its `load`."""

    asked: ResolvedMetric
    name: str = ""

    @property
    def key(self) -> str:
        """The metric's."""
        return f"{self.asked.spec.name}-{self.asked.key}"

    @property
    def folders(self) -> frozenset[Path]:
        """No model takes them over."""
        return frozenset()
