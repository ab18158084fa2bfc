"""Charts of a page: for each metric of a task a row for each context, in it a point and an interval for each model.

Positions are percentages of the width, so that text keeps its size on a screen of any width.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gill_bench.reporting.page.numbers import Number, TaskNumbers
from gill_bench.reporting.page.words import context_words, metric_words
from gill_bench.reporting.text import interval, number

_LANE = 15  # pixels of height for each model of a row
_PADDING = 7  # pixels above and below the lanes of a row
_LEAST_HEIGHT = 40  # pixels of a row, whose name may take two lines
_MARGIN = 0.04  # of the axis, left free at both ends
_TICKS = 4
_FIRST = "M-5,0a5,5 0 1,0 10,0a5,5 0 1,0 -10,0z"
"""The shape of the model that the finding is about: a disc; paths are drawn around their own origin."""
_SHAPES = (
    "M-4.2,-4.2h8.4v8.4h-8.4z",
    "M0,-5.4L5.2,4.2H-5.2z",
    "M0,-5.8L5.8,0L0,5.8L-5.8,0z",
    "M0,5.4L5.2,-4.2H-5.2z",
    "M-1.7,-5h3.4v3.3h3.3v3.4h-3.3v3.3h-3.4v-3.3h-3.3v-3.4h3.3z",
)

Link = Callable[[str, str, str], str]
"""The address of the samples of a context, metric and model; "" if there is none."""


@dataclass(frozen=True, slots=True)
class Sign:
    """How a model is drawn.

    Attributes:
        title: The model's name.
        path: The outline of its mark, around the origin.
        kind: "first" for the model that the finding is about, "filled" or "hollow" for the others.
    """

    title: str
    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A point with its interval.

    Attributes:
        sign: How the model is drawn.
        y: Pixels from the top of the row.
        x: Percent of the width.
        low: Percent of the width at which the interval begins; None without an interval.
        high: Percent of the width at which the interval ends; None without an interval.
        text: The model, the number and the interval.
    """

    sign: Sign
    y: float
    x: float
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True, slots=True)
class ChartRow:
    """A context.

    Attributes:
        title: The context in words.
        link: The address of its samples, or "".
        height: Pixels.
        marks: The marks of its models.
        value: The number of the model that the finding is about, as printed, or "".
    """

    title: str
    link: str
    height: int
    marks: tuple[Mark, ...]
    value: str

    @property
    def text(self) -> str:
        """The content of the row, for readers who do not see it."""
        return f"{self.title}: {'; '.join(mark.text for mark in self.marks)}"


@dataclass(frozen=True, slots=True)
class Panel:
    """A metric: its name, which way is better, the marks of its axis as percent and text, a row for each context."""

    title: str
    better: str
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[ChartRow, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """The chart of a task: how its models are drawn, and a panel for each metric."""

    signs: tuple[Sign, ...]
    panels: tuple[Panel, ...]


def view_chart(numbers: TaskNumbers, first: str, titles: Mapping[str, str], link: Link) -> Chart:
    """Lay out the chart of a task.

    Args:
        numbers: The numbers of the task.
        first: The model that the finding is about, which is drawn above the others and in colour.
        titles: The titles of models by name.
        link: Gives the address of the samples behind a number.
    """
    models = [first, *(model for model in numbers.models if model != first)]
    signs = {model: _sign(at, titles.get(model, model)) for at, model in enumerate(models)}
    panels = tuple(_panel(metric, contexts, signs, link) for metric, contexts in numbers.by_metric.items())
    return Chart(tuple(signs.values()), panels)


def _sign(at: int, title: str) -> Sign:
    if at == 0:
        return Sign(title, _FIRST, "first")
    again, shape = divmod(at - 1, len(_SHAPES))
    return Sign(title, _SHAPES[shape], "hollow" if again % 2 else "filled")


def _panel(metric: str, contexts: Mapping[str, Mapping[str, Number]], signs: Mapping[str, Sign], link: Link) -> Panel:
    shown = [item for models in contexts.values() for item in models.values()]
    column = shown[0].column
    position, ticks = _axis(shown)
    better = {True: "higher is better", False: "lower is better", None: ""}[column.higher_is_better]
    rows = tuple(
        _row(context, {model: models[model] for model in signs if model in models}, metric, signs, position, link)
        for context, models in contexts.items()
    )
    return Panel(metric_words(metric) + (" (%)" if column.percent else ""), better, ticks, rows)


def _row(
    context: str,
    models: Mapping[str, Number],
    metric: str,
    signs: Mapping[str, Sign],
    position: Callable[[float], float],
    link: Link,
) -> ChartRow:
    height = max(_LEAST_HEIGHT, 2 * _PADDING + _LANE * len(models))
    top = (height - _LANE * len(models)) / 2
    marks = []
    for at, (model, shown) in enumerate(models.items()):
        ends = shown.cell.interval
        text = f"{signs[model].title} {_printed(shown)} {interval(shown.cell, shown.column.digits)}".strip()
        marks.append(
            Mark(
                signs[model],
                top + _LANE * (at + 0.5),
                position(shown.mean),
                position(ends.low) if ends else None,
                position(ends.high) if ends else None,
                text if ends else f"{text}, no interval",
            )
        )
    model, shown = next(iter(models.items()))
    value = _printed(shown) if signs[model].kind == "first" else ""
    return ChartRow(context_words(context), link(context, metric, model), height, tuple(marks), value)


def _printed(shown: Number) -> str:
    return number(shown.mean, shown.column.digits)


def _axis(shown: Sequence[Number]) -> tuple[Callable[[float], float], tuple[tuple[float, str], ...]]:
    """A function from values to percent of the width, and the marks of the axis."""
    values = [item.mean for item in shown]
    values += [end for item in shown if item.cell.interval for end in (item.cell.interval.low, item.cell.interval.high)]
    low, high = min(values), max(values)
    if low == high:
        # A single value stands in the middle of an axis of its own size.
        half = abs(low) / 2 or 1.0
        low, high = low - half, high + half
    margin = (high - low) * _MARGIN
    start, length = low - margin, (high - low) + 2 * margin

    def position(value: float) -> float:
        return round(100 * (value - start) / length, 2)

    step = _step((high - low) / _TICKS)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9) + (1 if _digits(step) == 2 else 0))
    first, last = math.ceil(start / step - 1e-9), math.floor((start + length) / step + 1e-9)
    ticks = ((position(at * step), number(at * step, decimals)) for at in range(first, last + 1))
    return position, tuple(ticks)


def _step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten.

    >>> _step(0.3), _step(0.021), _step(7)
    (0.5, 0.025, 10.0)
    """
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if factor * power >= rough * (1 - 1e-9))


def _digits(step: float) -> int:
    """The significant digits of a step: 2 for 2.5 times a power of ten, else 1."""
    return 2 if round(step / 10.0 ** math.floor(math.log10(step) + 1e-9), 6) == 2.5 else 1
