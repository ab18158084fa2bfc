"""Metrics: how stored outputs become numbers. One module per metric, each naming the library or paper it follows.

A metric of the registry compares generated pictures with a reference picture. Its module is light to import and has
`load(weights, settings, device)`, which returns a `PictureMetric`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from gill_bench.cards import Value
from gill_bench.registry import registered

if TYPE_CHECKING:
    from gill_bench.metrics.picture import PictureMetric

GROUP = "gill_bench.metrics"
BUILTIN = {
    "clip-similarity": "gill_bench.metrics.clip_similarity",
    "lpips": "gill_bench.metrics.lpips",
}


class MetricModule(Protocol):
    """What a metric's module provides."""

    higher_is_better: bool

    def signature(self, settings: Mapping[str, Value], backbone: str) -> str:
        """What determines the number: backbone, preprocessing, version; known without loading anything."""

    def check(self, weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
        """Raise `InputError` for settings or files that cannot work, or are not what `backbone` says."""

    def load(self, weights: Path | None, settings: Mapping[str, Value], device: str) -> PictureMetric:
        """Load the backbone."""


def metric(name: str) -> MetricModule:
    """The metric of a registered name: built in, or of an entry point in the group `gill_bench.metrics`."""
    return cast(MetricModule, registered("metric", name, BUILTIN, GROUP))
