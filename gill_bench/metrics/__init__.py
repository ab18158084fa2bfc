"""Metrics: how stored outputs become numbers. One module per metric, each naming the library or paper it follows.

A module is light to import, says of which `kind` it is, and has `signature` and `check`; the rest depends on the kind:

- "pairs" compares each generated picture with a reference picture: `load` returns a `PictureMetric`.
- "distribution" compares all generated pictures with a set of reference pictures: see `gill_bench.metrics.fid`.
- "corpus" makes numbers of all other outputs of a model together: `scores`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

from gill_bench.cards.find import Value
from gill_bench.cards.registry import registered
from gill_bench.interfaces import Score as Score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gill_bench.metrics.backbones.features import FeatureExtractor
    from gill_bench.metrics.picture import PictureMetric

GROUP = "gill_bench.metrics"
BUILTIN = {
    "answer-ranking": "gill_bench.metrics.answer_ranking",
    "captions": "gill_bench.metrics.caption_scores",
    "clip-similarity": "gill_bench.metrics.clip_similarity",
    "fid": "gill_bench.metrics.fid",
    "lpips": "gill_bench.metrics.lpips",
    "macro-f1": "gill_bench.metrics.macro_f1",
    "recall": "gill_bench.metrics.recall",
    "timing": "gill_bench.metrics.timing",
    "vqa-accuracy": "gill_bench.metrics.vqa",
}
Kind = Literal["pairs", "distribution", "corpus"]


class Reference(NamedTuple):
    """What a corpus metric knows of an example: its reference texts, and its facts."""

    answers: Sequence[str]
    facts: Mapping[str, str]


class Question(NamedTuple):
    """What the outputs of a corpus metric are answers to.

    Attributes:
        asks: As in `gill_bench.interfaces.Asks`.
        context: Name of the context.
        seed: Of whatever the metric draws.
    """

    asks: str
    context: str
    seed: int


class MetricModule(Protocol):
    """What every metric's module provides."""

    kind: Kind

    def signature(self, settings: Mapping[str, Value], backbone: str) -> str:
        """What determines the number: backbone, preprocessing, version; known without loading anything."""

    def check(self, weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
        """Raise `InputError` for settings or files that cannot work, or are not what `backbone` says."""


class PairMetricModule(MetricModule, Protocol):
    """A metric that compares each generated picture with a reference picture."""

    higher_is_better: bool

    def load(self, weights: Path | None, settings: Mapping[str, Value], device: str) -> PictureMetric:
        """Load the backbone."""


class DistributionMetricModule(MetricModule, Protocol):
    """A metric that compares all generated pictures with a set of reference pictures, by features of each."""

    def check_count(self, count: int, settings: Mapping[str, Value], task: str) -> None:
        """Raise `InputError` if there are too few generated pictures for a meaningful number."""

    def prepared(self, settings: Mapping[str, Value], side: str) -> str:
        """Name of the preparation of pictures on a side, "generated" or "reference"."""

    def load(self, weights: Path | None, settings: Mapping[str, Value], device: str) -> FeatureExtractor:
        """Load the feature network."""

    def compare(
        self,
        generated: Sequence[NDArray[np.float32]],
        reference: Sequence[NDArray[np.float32]],
        settings: Mapping[str, Value],
        samples: Sequence[Flags],
    ) -> list[Score]:
        """Distances between two sets of features, each given in blocks (n, d), and counts of their samples."""


class Flags(Protocol):
    """What a stored sample says about how it was made."""

    @property
    def flagged(self) -> bool:
        """The safety checker blackened the picture."""

    @property
    def truncated(self) -> bool:
        """The prompt was cut."""


class CorpusMetricModule(MetricModule, Protocol):
    """A metric over all outputs of a model in a context."""

    def scores(
        self,
        outputs: Mapping[str, Any],
        references: Mapping[str, Reference],
        settings: Mapping[str, Value],
        question: Question,
    ) -> list[Score]:
        """Score outputs.

        Args:
            outputs: By example id, what the question asks for: a text, log-likelihoods, a `Rank`, a similarity, ...
            references: By example id; of the same examples, or more.
            settings: Of the card.
            question: What was asked.
        """


def metric(name: str) -> MetricModule:
    """The metric of a registered name: built in, or of an entry point in the group `gill_bench.metrics`."""
    return cast(MetricModule, registered("metric", name, BUILTIN, GROUP))
