"""Metrics turn stored outputs into numbers. One file in this folder is one registered metric.

`gill_bench/metrics/functional/` holds pure functions: arrays and texts go in, numbers come out; they know no cards, no
files and no weights. `gill_bench/metrics/backbones/` holds the networks that metrics load.

A registered metric is a module that imports nothing heavy at its top and has `signature`, `check` and `kind`:

- kind "pairs" compares each generated picture with its target picture. The module also has `higher_is_better`, and
  `load`, which returns a `gill_bench.metrics.picture.PictureMetric`. Without a network that is a `FunctionMetric` of a
  function in the metric's own module: `load` imports the class, and needs no other file. With a network it is an
  object of a class that overrides `_prepare`, `_embed` and `_compare`, as for `lpips.py`; the class stands at the top
  of a module in `backbones/`, since the metric's own module must not import torch, and metrics can be pickled. With
  `averaged_per_target = True`, scores are averaged, as the authors do, over target pictures instead of examples.
  Values are finite, and two equal pictures have the value 1 if higher is better, else 0.
- kind "distribution" compares all generated pictures with a set of reference pictures. The module has the functions of
  `DistributionMetricModule`; `fid.py` is the example.
- kind "corpus" scores all outputs of a model in a context together. The module has `scores`; `vqa.py` is a short
  example. Its attribute `needs` may list what it reads of every example, "target", "answers" or "facts.NAME"; data that
  lacks it is refused before anything is loaded.

To add a metric:

1. Write `gill_bench/metrics/my_metric.py` as above, with a pydantic model `Settings` that forbids unknown settings. Put
   arithmetic that is useful without a card into `functional/`, with an example in the docstring; a test runs it.
2. Add a line to `BUILTIN` below. In a package of your own, use the entry point group `gill_bench.metrics` instead.
3. Write `tests/metrics/test_my_metric.py` with `HARNESS`, one or more `tests.support.metric_cases.Case`: inputs with
   which `tests/metrics/test_harness.py` runs the tests that hold for every metric. Beside it, compare the values with
   an independent implementation and add a row to `docs/parity.md`; or say in `NOT_COMPARED` why there is none.

As after every change, add a line to `CHANGELOG.md`. A task uses the metric by its name under `[[metrics]]` in its card.
A change that gives another value for the same outputs must change the signature, for instance by a higher version in
it.

A metric of your own needs none of this: `name = "./my_metric.py:MyMetric"` in the card of a task names a class in a
file, relative to the card, and `name = "./my_metric.py"` a module. An object of the class has the same members as a
module, and its constructor needs no arguments. The digest of the file is part of the signature. In rows the metric is
called `my-metric`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import isclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, cast

from gill_bench.cards.find import Value
from gill_bench.cards.registry import registered
from gill_bench.cards.user_files import from_file, names_a_class
from gill_bench.errors import InputError, did_you_mean
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
    "second-similarity": "gill_bench.metrics.second_similarity",
    "timing": "gill_bench.metrics.timing",
    "vqa-accuracy": "gill_bench.metrics.vqa",
}
Kind = Literal["pairs", "distribution", "corpus"]


class Reference(NamedTuple):
    """The data of one example that a corpus metric reads.

    Attributes:
        answers: Reference texts of the example.
        facts: Properties of the example in the data set, such as `answer_type`, by name.
    """

    answers: Sequence[str]
    facts: Mapping[str, str]


class Question(NamedTuple):
    """The question to which the outputs of a corpus metric are answers.

    Attributes:
        asks: The output kind that the models were asked for (`gill_bench.interfaces`).
        context: Name of the context.
        seed: Seed for random draws of the metric itself.
    """

    asks: str
    context: str
    seed: int


class Trivial(NamedTuple):
    """Outputs that know nothing of the prompt: a number means something only beside theirs.

    Attributes:
        answer: The outputs in words, such as "a random order".
        outputs: Outputs by example id, for the same examples.
        asks: The output kind that they are of.
    """

    answer: str
    outputs: Mapping[str, Any]
    asks: str


class MetricModule(Protocol):
    """The attributes and functions that every metric's module has."""

    kind: Kind

    def signature(self, settings: Mapping[str, Value], backbone: str) -> str:
        """A text that says how the number is made (network, preprocessing, version), computed without loading weights.

        Args:
            settings: The metric's settings in the card.
            backbone: Hub id or file name of the network's weights, "mini" for the embedded one, "" without a network.
        """

    def check(self, weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
        """Raise `InputError` for settings or weights that cannot work, or for weights that are not `backbone`.

        Args:
            weights: File or folder of the network's weights; None if the card names none.
            settings: The metric's settings in the card.
            backbone: The name by which the card calls the weights.
        """


class PairMetricModule(MetricModule, Protocol):
    """A metric that compares each generated picture with its target picture.

    A module may also say `averaged_per_target = True`; without it, scores are averaged over examples.
    """

    higher_is_better: bool

    def load(self, weights: Path | None, settings: Mapping[str, Value], device: str) -> PictureMetric:
        """The metric, ready to compare pictures on `device`."""


class DistributionMetricModule(MetricModule, Protocol):
    """A metric that compares all generated pictures with a set of reference pictures, by features of each picture."""

    def check_count(self, count: int, settings: Mapping[str, Value], task: str) -> None:
        """Raise `InputError` if `count` generated pictures are too few for a meaningful number."""

    def prepared(self, settings: Mapping[str, Value], side: str) -> str:
        """Name of the preparation of the pictures of a side, which is "generated" or "reference"."""

    def load(self, weights: Path | None, settings: Mapping[str, Value], device: str) -> FeatureExtractor:
        """The feature network, ready on `device`."""

    def compare(
        self,
        generated: Sequence[NDArray[np.float32]],
        reference: Sequence[NDArray[np.float32]],
        settings: Mapping[str, Value],
        samples: Sequence[Flags],
    ) -> list[Score]:
        """Distances between two sets of features, each given in blocks (n, d), and counts of their samples."""


class Flags(Protocol):
    """Flags of a stored sample."""

    @property
    def flagged(self) -> bool:
        """Whether the safety checker blackened the picture."""

    @property
    def truncated(self) -> bool:
        """Whether the model had to cut the prompt."""


class CorpusMetricModule(MetricModule, Protocol):
    """A metric over all outputs of a model in a context.

    A module may also have `trivial`, with the arguments of `scores`, which returns a `Trivial` or None: outputs that
    know nothing of the prompt, whose scores are shown beside the model's.
    """

    def scores(
        self,
        outputs: Mapping[str, Any],
        references: Mapping[str, Reference],
        settings: Mapping[str, Value],
        question: Question,
    ) -> list[Score]:
        """Score outputs.

        Args:
            outputs: Outputs by example id. Their type depends on the question: texts, log-likelihoods, ranks,
                similarities, ...
            references: References by example id, at least of the examples in `outputs`.
            settings: The metric's settings in the card, with the card's `[scoring]` table.
            question: The question that the outputs answer.
        """


_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "pairs": ("higher_is_better", "load"),
    "distribution": ("check_count", "prepared", "load", "compare"),
    "corpus": ("scores",),
}


def metric(name: str, home: str = "") -> MetricModule:
    """The module of a metric: a built-in one, that of an entry point in the group `gill_bench.metrics`, or a file's.

    Args:
        name: The name in the task's card.
        home: The folder of the card, from which a file is looked for; "" if the card came with a run.

    Raises:
        InputError: There is no such metric, its module cannot be imported, or a file would be run for a run's card.
    """
    if not names_a_class(name):
        return cast(MetricModule, registered("metric", name, BUILTIN, GROUP))
    if not home:  # a run directory may come from anybody, and never runs code
        raise InputError(
            f"metric {name!r}: the run does not say where this file is, and files that a run names are not run;"
            " give the command that made the run again: it scores, too"
        )
    return _from_file(name, home)


def _from_file(name: str, home: str) -> MetricModule:
    offered: Any = from_file(name, Path(home), f"metric {name!r}")
    if isclass(offered):
        try:
            offered = offered()
        except Exception as error:
            raise InputError(f"metric {name!r}: {offered.__name__}() raised {type(error).__name__}: {error}") from error
    kind = str(getattr(offered, "kind", None))
    if kind not in _MEMBERS:
        raise InputError(f"metric {name!r}: kind = {kind!r}; {did_you_mean(kind, _MEMBERS)}")
    lacking = [part for part in ("signature", "check", *_MEMBERS[kind]) if not hasattr(offered, part)]
    if lacking:
        raise InputError(f"metric {name!r}: it lacks {', '.join(lacking)}; see gill_bench.metrics")
    return cast(MetricModule, offered)
