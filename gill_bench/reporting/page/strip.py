"""A strip of three examples: the lowest, the median and the highest of the model that a finding is about.

Without values of single examples these are the first three of the data. The rule is said above the strip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from statistics import fmean
from urllib.parse import quote, urlencode

from gill_bench.analysis.gallery_records import Gallery, GalleryExample, PictureFile, ShownOutput
from gill_bench.reporting.page.findings import TaskFinding
from gill_bench.reporting.page.folder import PageFolder
from gill_bench.reporting.page.words import context_words, given, metric_words
from gill_bench.rundir.records import CellKey

Values = Callable[[CellKey, str], Mapping[str, float]]
"""The mean over seeds of each example of a cell in a metric; empty if single examples have no values."""


def no_values(cell: CellKey, metric: str) -> Mapping[str, float]:
    """Values of no example, for a report without them."""
    return {}


_MOST_MODELS = 3
_MOST_TEXT = 220  # characters
_COUNT = 3


@dataclass(frozen=True, slots=True)
class StripOutput:
    """An output in a strip: whose it is, in which context if that is not the strip's, and what is shown of it.

    Attributes:
        title: The model's name.
        context: The context of the output in words; "" for the context of the strip.
        picture: The address of the picture; "" for a text.
        text: The text, or the reason why nothing is shown.
        value: The value in the metric, as printed, or "".
        first: Whether it is the model that the finding is about.
    """

    title: str
    context: str
    picture: str
    text: str
    value: str
    first: bool


@dataclass(frozen=True, slots=True)
class StripExample:
    """An example in a strip.

    Attributes:
        name: The example's id.
        rank: "lowest", "median" or "highest", or "".
        link: The address of the example in its gallery, or "".
        pictures: The addresses of the prompt's pictures; "" for one that was not found.
        text: The end of the prompt's last text.
        target: The address of the target, or "".
        answer: The first reference text, or "".
        outputs: The outputs of the models.
    """

    name: str
    rank: str
    link: str
    pictures: tuple[str, ...]
    text: str
    target: str
    answer: str
    outputs: tuple[StripOutput, ...]


@dataclass(frozen=True, slots=True)
class Strip:
    """A strip as the page shows it: the sentence that says how its examples were chosen, and the examples."""

    rule: str
    examples: tuple[StripExample, ...]


@dataclass
class StripMaker:
    """Collects what a strip shows while the galleries pass by, one of which is in memory at a time.

    Attributes:
        finding: The finding that the strip illustrates.
        values: Gives the values of single examples.
        titles: The titles of models by name.
    """

    finding: TaskFinding
    values: Values
    titles: Mapping[str, str]
    _examples: dict[str, GalleryExample] = field(default_factory=dict)
    _outputs: dict[tuple[str, str], tuple[ShownOutput | None, float | None]] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        finding = self.finding
        key = CellKey(finding.task, finding.model, finding.contexts[finding.model])
        means = self.values(key, finding.metric)
        ordered = sorted(means, key=lambda name: (means[name], name))
        self._ranked = {ordered[at]: rank for at, rank in _ranks(len(ordered)).items()}
        self._names = list(self._ranked)

    def watch(self, galleries: Iterable[Gallery]) -> Iterator[Gallery]:
        """Pass galleries on, and keep what the strip shows of them."""
        for gallery in galleries:
            if gallery.task == self.finding.task and gallery.context in self.finding.contexts.values():
                self._keep(gallery)
            yield gallery

    def strip(self, link: str, folder: PageFolder) -> Strip | None:
        """The strip; None if the galleries have nothing to show of its examples.

        Args:
            link: The address of the samples of the finding, without an example; "" if there is none.
            folder: The page's folder, into which pictures are written.
        """
        finding = self.finding
        examples = tuple(
            self._view(self._examples[name], link, folder) for name in self._names if name in self._examples
        )
        if not any(example.pictures or example.text or example.target for example in examples):
            return None
        model = self.titles.get(finding.model, finding.model)
        where = given(finding.contexts[finding.model])
        if len(self._ranked) == _COUNT:
            rule = f"The lowest, median and highest {metric_words(finding.metric)} of {model} {where}"
        else:
            rule = f"The first examples of the data, {where}"
        return Strip(f"{rule} ({self._count:,} examples).", examples)

    def _keep(self, gallery: Gallery) -> None:
        finding = self.finding
        is_own = gallery.context == finding.contexts[finding.model]
        if not self._names:
            self._names = [example.example for example in gallery.examples[:_COUNT]]
        if is_own:
            self._count = len(gallery.examples)
        scores = next((scores for scores in gallery.scores if scores.metric == finding.metric), None)
        for example in gallery.examples:
            if example.example not in self._names:
                continue
            if is_own:
                self._examples[example.example] = example
            for model, context in finding.contexts.items():
                if context == gallery.context:
                    seeds = scores.by_model.get(model, {}).values() if scores else ()
                    values = [by_example[example.example] for by_example in seeds if example.example in by_example]
                    outputs = example.outputs.get(model, ())
                    shown = outputs[0] if outputs else None
                    self._outputs[example.example, model] = shown, fmean(values) if values else None

    def _view(self, example: GalleryExample, link: str, folder: PageFolder) -> StripExample:
        finding = self.finding
        texts = [part for part in example.prompt if isinstance(part, str)]
        pictures = [part for part in example.prompt if isinstance(part, PictureFile)]
        others = [model for model in finding.contexts if model != finding.model]
        outputs = (self._output(example.example, model, folder) for model in [finding.model, *others][:_MOST_MODELS])
        return StripExample(
            example.example,
            self._ranked.get(example.example, ""),
            f"{link}&{urlencode({'example': example.example}, quote_via=quote)}" if link else "",
            tuple(folder.picture(picture.file) for picture in pictures),
            _end(texts[-1]) if texts else "",
            folder.picture(example.target.file) if example.target else "",
            _start(example.answers[0]) if example.answers and not example.target else "",
            tuple(output for output in outputs if output is not None),
        )

    def _output(self, name: str, model: str, folder: PageFolder) -> StripOutput | None:
        finding = self.finding
        shown, value = self._outputs.get((name, model), (None, None))
        if shown is None and value is None:
            return None
        picture = folder.picture(shown.picture, shown.sha256) if shown is not None else ""
        own = finding.contexts[finding.model]
        context = finding.contexts[model]
        return StripOutput(
            self.titles.get(model, model),
            "" if context == own else context_words(context),
            picture,
            _start((shown.text or "") if shown is not None else ""),
            "" if value is None else f"{value:.3f}",
            model == finding.model,
        )


def _ranks(count: int) -> dict[int, str]:
    """By position among `count` sorted values, the rank of those that are shown.

    >>> _ranks(9), _ranks(2)
    ({0: 'lowest', 4: 'median', 8: 'highest'}, {0: 'lowest', 1: 'highest'})
    """
    ranks: dict[int, str] = {}
    for at, rank in ((0, "lowest"), (count - 1, "highest"), ((count - 1) // 2, "median")):
        ranks.setdefault(at, rank)
    return dict(sorted(ranks.items())) if count else {}


def _end(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"… {text[-_MOST_TEXT:].lstrip()}"


def _start(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT].rstrip()} …"
