"""The metrics of a task with their backbones found, not loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

from gill_bench.cards.find import MetricSpec, TaskCard, Value
from gill_bench.errors import InputError
from gill_bench.metrics import BUILTIN, Kind, PairMetricModule, metric
from gill_bench.storage.digests import digest
from gill_bench.storage.images import RULE
from gill_bench.weights.find import Weights, find_weights

if TYPE_CHECKING:
    from gill_bench.metrics.picture import PictureMetric
    from gill_bench.planning.resolved import ResolvedTask


@dataclass(frozen=True)
class ResolvedMetric:
    """A metric of a task.

    Attributes:
        settings: Of the metric; for metrics over all outputs with the card's `[scoring]` table.
        picture_size: Pixels that references are squashed to; 0 as they are.
    """

    spec: MetricSpec
    settings: Mapping[str, Value]
    backbone: Weights | None
    picture_size: int

    def named(self, metric_name: str) -> str:
        """A number's name in rows; a stand-in backbone shows in brackets and can never be taken for the real one."""
        return f"{metric_name}[{self.backbone.label}]" if self.backbone and self.backbone.stand_in else metric_name

    @property
    def name(self) -> str:
        """Registered name, with a stand-in's brackets."""
        return self.named(self.spec.name)

    @property
    def kind(self) -> Kind:
        """How it works: see `gill_bench.metrics`."""
        return metric(self.spec.name).kind

    @property
    def label(self) -> str:
        """What its backbone is called in signatures."""
        return self.backbone.label if self.backbone else ""

    @cached_property
    def signature(self) -> str:
        """What determines its values: the metric's own signature, and its backbone's content."""
        own = metric(self.spec.name).signature(self.settings, self.label)
        return f"{own}|weights:{self.backbone.digest()[:8]}" if self.backbone else own

    @cached_property
    def key(self) -> str:
        """Digest of everything that determines its values."""
        return digest([self.signature, self.picture_size, RULE])[:12]

    @cached_property
    def scores_key(self) -> str:
        """Digest of everything that decides which numbers there are, and their values."""
        return digest([self.key, dict(self.settings)])[:12]

    @property
    def file_name(self) -> str:
        """Where values are kept."""
        return f"score-{self.spec.name}-{self.key}.json"

    @property
    def pairs(self) -> PairMetricModule:
        """The module of a metric that compares pictures one by one."""
        return cast(PairMetricModule, metric(self.spec.name))

    def load(self, device: str) -> PictureMetric:
        """Load the backbone of a metric that compares pictures one by one.

        Raises:
            InputError: It is a small stand-in under the name of the real one.
        """
        path = self.backbone.path if self.backbone else None
        loaded = self.pairs.load(path, self.settings, device)
        if loaded.name != self.name:
            raise InputError(
                f"{path}: this backbone gives {loaded.name}, but {self.name} was asked for;"
                " put the published weights there, or choose the small ones with --metric-weights mini"
            )
        return loaded


def metrics_of(task: ResolvedTask) -> list[ResolvedMetric]:
    """The metrics of a task, in the order of its card."""
    return metrics_of_card(task.card, task.metric_weights)


def metrics_of_card(card: TaskCard, metric_weights: str) -> list[ResolvedMetric]:
    """The metrics of a card, in its order.

    Args:
        card: As resolved.
        metric_weights: "mini", or the folder in which the backbones are.
    """
    size = int(card.prompt.get("picture_size", 0))
    found = []
    for spec in card.metrics:
        own = spec.name not in BUILTIN
        backbone = None if spec.weights is None else find_weights(spec.weights, metric_weights, whole=own)
        settings = {**spec.settings, **(spec.mini if backbone and backbone.stand_in else {})}
        if metric(spec.name).kind != "pairs":
            settings |= card.scoring
        found.append(ResolvedMetric(spec, settings, backbone, size))
    return found
