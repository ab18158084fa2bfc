"""The metrics of a task: their settings are known and the files of their backbones found, but nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, cast

from gill_bench.cards.find import MetricSpec, TaskCard, Value
from gill_bench.cards.user_files import file_part, names_a_class, row_name_of
from gill_bench.errors import InputError
from gill_bench.metrics import (
    BUILTIN,
    CorpusMetricModule,
    DistributionMetricModule,
    Kind,
    MetricModule,
    PairMetricModule,
    metric,
)
from gill_bench.storage.digests import digest, digest_file
from gill_bench.storage.images import RULE
from gill_bench.weights.find import Weights, find_weights

if TYPE_CHECKING:
    from gill_bench.metrics.picture import PictureMetric
    from gill_bench.planning.resolved import ResolvedTask


@dataclass(frozen=True)
class ResolvedMetric:
    """A metric of a task.

    Attributes:
        spec: The metric as the task's card names it.
        settings: The settings of the metric; for metrics over all outputs, the card's `[scoring]` table is among them.
        backbone: The weights of the metric's network; None for a metric without a network.
        picture_size: Width and height, in pixels, to which references are resized; 0 leaves them as they are.
        home: The folder of the task's card, from which the file of a metric is looked for.
    """

    spec: MetricSpec
    settings: Mapping[str, Value]
    backbone: Weights | None
    picture_size: int
    home: str = ""

    def named(self, metric_name: str) -> str:
        """The name of a number in rows; brackets name a stand-in backbone, so that nobody takes it for the real one."""
        return f"{metric_name}[{self.backbone.label}]" if self.backbone and self.backbone.stand_in else metric_name

    @property
    def name(self) -> str:
        """The metric's name in rows, with the brackets of a stand-in."""
        return self.named(self.short_name)

    @property
    def short_name(self) -> str:
        """The metric's name in file names and, without a stand-in, in rows."""
        return row_name_of(self.spec.name)

    @property
    def module(self) -> MetricModule:
        """The metric's module."""
        return metric(self.spec.name, self.home)

    @property
    def kind(self) -> Kind:
        """The kind of metric, such as "pairs" (`gill_bench.metrics.Kind`)."""
        return self.module.kind

    @property
    def label(self) -> str:
        """The name of the backbone in signatures, or ""."""
        return self.backbone.label if self.backbone else ""

    @cached_property
    def signature(self) -> str:
        """The text that says how values are made: the metric's own signature, and a digest of its backbone."""
        own = self.module.signature(self.settings, self.label)
        if names_a_class(self.spec.name):
            own += f"|code:{digest_file(Path(self.home) / file_part(self.spec.name))[:8]}"
        return f"{own}|weights:{self.backbone.digest()[:8]}" if self.backbone else own

    @cached_property
    def key(self) -> str:
        """A digest of everything that decides the value of an output."""
        return digest([self.signature, self.picture_size, RULE])[:12]

    @cached_property
    def scores_key(self) -> str:
        """A digest of everything that decides which numbers the metric gives, and their values."""
        return digest([self.key, dict(self.settings)])[:12]

    @property
    def file_name(self) -> str:
        """The name of the file, in a unit's folder, that keeps the values of its outputs."""
        return f"score-{self.short_name}-{self.key}.json"

    @property
    def pairs(self) -> PairMetricModule:
        """The module of a metric of kind "pairs"."""
        return cast(PairMetricModule, self.module)

    @property
    def distribution(self) -> DistributionMetricModule:
        """The module of a metric of kind "distribution"."""
        return cast(DistributionMetricModule, self.module)

    @property
    def corpus(self) -> CorpusMetricModule:
        """The module of a metric of kind "corpus"."""
        return cast(CorpusMetricModule, self.module)

    def load(self, device: str) -> PictureMetric:
        """Load a metric of kind "pairs" with its backbone.

        Raises:
            InputError: The backbone is a small stand-in under the name of the real one.
        """
        path = self.backbone.path if self.backbone else None
        loaded = self.pairs.load(path, self.settings, device)
        if loaded.name != self.name and not names_a_class(self.spec.name):
            raise InputError(
                f"{path}: this backbone gives {loaded.name}, but {self.name} was asked for;"
                " put the published weights there, or choose the small ones with --metric-weights mini"
            )
        return loaded


def metrics_of(task: ResolvedTask) -> list[ResolvedMetric]:
    """The metrics of a task, in the order of its card."""
    return metrics_of_card(task.card, task.metric_weights)


def metrics_of_card(card: TaskCard, metric_weights: str) -> list[ResolvedMetric]:
    """The metrics of a card, in the order of the card.

    Args:
        card: The card, as `resolve_task` returned it.
        metric_weights: "mini", or the folder in which the backbones are.
    """
    size = int(card.prompt.get("picture_size", 0))
    metrics = []
    for spec in card.metrics:
        from_user = spec.name not in BUILTIN
        backbone = None if spec.weights is None else find_weights(spec.weights, metric_weights, whole=from_user)
        settings = {**spec.settings, **(spec.mini if backbone and backbone.stand_in else {})}
        if metric(spec.name, card.home).kind != "pairs":
            settings |= card.scoring
        metrics.append(ResolvedMetric(spec, settings, backbone, size, card.home))
    return metrics
