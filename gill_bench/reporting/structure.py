"""A table as data, without any format: the content of every cell, and why a cell is empty.

All formats render this structure, so that a number cannot differ between two formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gill_bench.interfaces import OutputKind
from gill_bench.rundir.rows import Row
from gill_bench.statistics.mean_interval import MeanInterval

LEVEL = 0.05

Status = Literal["measured", "unscored", "undefined", "impossible", "not-run"]


def shifted(value: float, digits: int) -> float:
    """A number with its decimal point moved to the right by `digits`, without gaining digits.

    >>> shifted(0.29, 2), 0.29 * 100
    (29.0, 28.999999999999996)
    """
    return float(Decimal(repr(value)).scaleb(digits)) if digits else value


def in_unit(value: float, percent: bool) -> float:
    """A fraction in the unit of its column."""
    return shifted(value, 2 if percent else 0)


@dataclass(frozen=True, slots=True)
class Published:
    """The paper's number for a cell.

    Attributes:
        value: The number as printed in the paper; as percent where the column is in percent.
        std: The number after the paper's plus-minus sign, whose kind the paper does not state.
        unit: The unit, such as `fraction` or `percent`.
        source: The table or section of the paper that has the number.
        note: What a reader must know about the number, or "".
    """

    value: float
    std: float | None
    unit: str
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class TableCell:
    """One model in one column.

    Attributes:
        status: `measured`; `unscored` (run, but nothing could be scored); `undefined` (run, but this metric is not
            among its numbers); `impossible` (the model lacks the capability or cannot read the pictures of the
            context); `not-run`.
        rows: The results behind the cell, by seed.
        mean: Mean over the seeds, in full precision and the column's unit.
        std: Sample standard deviation over the seeds; None for one seed.
        gaps: The reasons why the cell is incomplete; empty if the cell is complete.
        best: Whether the cell is the best of its column at the printed digits.
        published: The paper's number, if the table is compared with the paper.
        asks: The kind of output that the model is asked for; None where no card says it.
        interval: The 95 % interval of the mean, in the column's unit; None where it was not computed or is unknown.
        p: The p-value of a gain; None for other numbers.
        p_holm: The same, adjusted for the number of gains in the table (Holm).
        pairs: The number of examples that a gain was computed from.
        reads: Which parts of its context the model reads, if a probe found that it does not read all; else "".
        incomparable: The reasons why the number may not be compared with the paper's, such as embedded data; empty if
            it may (`gill_bench.reporting.comparability`).
    """

    status: Status
    rows: tuple[Row, ...] = ()
    mean: float | None = None
    std: float | None = None
    gaps: tuple[str, ...] = ()
    best: bool = False
    published: Published | None = None
    asks: OutputKind | None = None
    interval: MeanInterval | None = None
    incomparable: tuple[str, ...] = ()
    p: float | None = None
    p_holm: float | None = None
    pairs: int = 0
    reads: str = ""

    @property
    def stands_out(self) -> bool:
        """Whether a gain is above zero: its interval, and its p-value among all gains of the table."""
        return self.interval is not None and self.interval.low > 0 and self.p_holm is not None and self.p_holm <= LEVEL

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds in the mean."""
        return tuple(row.seed for row in self.rows if row.value is not None)

    @property
    def n_expected(self) -> int:
        """Number of samples that were requested: examples times seeds, as in all counts of a cell."""
        return sum(row.n_expected for row in self.rows)

    @property
    def n_scored(self) -> int:
        """Number of samples in the mean."""
        return sum(row.n_scored for row in self.rows)

    @property
    def n_examples(self) -> tuple[int, ...]:
        """Number of examples in the mean, for each seed."""
        return tuple(row.n_scored for row in self.rows if row.value is not None)

    @property
    def depends_on_seed(self) -> bool:
        """Whether another seed can give another number; it cannot for greedy text, a search or a measured time."""
        return self.asks in ("images", "features", None)

    @property
    def signature(self) -> str:
        """The signature of the cell's numbers; "" if there are none."""
        return self.rows[0].signature if self.rows else ""

    @property
    def model_signature(self) -> str:
        """The text that says how the model was run; "" if it was not run."""
        return self.rows[0].model_signature if self.rows else ""

    @property
    def trivial(self) -> float | None:
        """The value of an answer that knows nothing of the prompt, as a fraction; None if there is none."""
        values = [row.trivial for row in self.rows if row.trivial is not None]
        return sum(values) / len(values) if values else None

    @property
    def trivial_answer(self) -> str:
        """The trivial answer in words, such as "a random order"; "" where there is none."""
        return next((row.trivial_answer for row in self.rows if row.trivial_answer), "")

    @property
    def n_missing(self) -> int:
        """Number of samples left out because data is missing or unreadable."""
        return sum(row.n_missing for row in self.rows)

    @property
    def n_failed(self) -> int:
        """Number of samples on which the model raised, or that could not be scored."""
        return sum(row.n_failed for row in self.rows)

    @property
    def n_refused(self) -> int:
        """Number of samples that the model declined by policy."""
        return sum(row.n_refused for row in self.rows)

    @property
    def n_not_made(self) -> int:
        """Number of samples that the model was not asked for yet."""
        return sum(row.n_not_made for row in self.rows)

    @property
    def n_truncated(self) -> int:
        """Number of scored samples whose prompt the model had to cut."""
        return sum(row.n_truncated for row in self.rows)

    @property
    def n_flagged(self) -> int:
        """Number of scored samples whose picture the safety checker blackened."""
        return sum(row.n_flagged for row in self.rows)

    @property
    def difference(self) -> float | None:
        """Our mean minus the paper's number, in the column's unit; None without either, or where it means nothing."""
        if self.mean is None or self.published is None or self.incomparable:
            return None
        return self.mean - self.published.value

    @property
    def published_in_interval(self) -> bool | None:
        """Whether the paper's number lies in the interval of our mean; None where that is unknown or tells nothing."""
        if self.interval is None or self.published is None or self.incomparable:
            return None
        return self.interval.low <= self.published.value <= self.interval.high


@dataclass(frozen=True, slots=True)
class Column:
    """One column: a metric, in one context or in the context of each line.

    Attributes:
        task: Name of the task card.
        context: Canonical name of the context; "" where lines differ in it.
        metric: The metric's name as in the rows, with the name of a stand-in backbone in brackets.
        title: The heading of this column.
        group: The heading over this column and its neighbours, or "".
        variant: The stand-in backbone, such as `mini`, or "".
        higher_is_better: Whether higher values are better; None if neither the rows nor the paper say so.
        digits: The number of decimals that are printed.
        percent: Whether numbers are in percent.
        signatures: By context, the signature of the column's numbers in this context.
        x: The column's position on the axis of the table's figure; None if the column is not drawn.
        series: The name of the curve, among those of a model, that the column belongs to.
        over: The context over which the column shows the gain of `context`; "" where it shows the number itself.
        if_above: What a gain that stands out says of a model, or "".
        if_not: What a gain that does not stand out says of a model, or "".
    """

    task: str
    context: str
    metric: str
    title: str
    group: str
    variant: str
    higher_is_better: bool | None
    digits: int
    percent: bool
    signatures: Mapping[str, str]
    x: float | None = None
    series: str = ""
    over: str = ""
    if_above: str = ""
    if_not: str = ""

    @property
    def signature(self) -> str:
        """The signature of all numbers; "" if there are none, or contexts have different signatures."""
        signatures = set(self.signatures.values())
        return signatures.pop() if len(signatures) == 1 else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table: a model, in one context if columns name none.

    Attributes:
        model: The name of the model card.
        title: The name of the model in the table.
        cells: The cells, aligned with the columns.
        published_only: Whether the model was not run, so that the line shows the paper's numbers alone.
        context: The context of the line's numbers in columns that name no context.
        added: Whether the layout does not list the model.
    """

    model: str
    title: str
    cells: tuple[TableCell, ...]
    published_only: bool = False
    context: str = ""
    added: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """The titles of the two axes of a figure."""

    x: str
    y: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: Name of the report card.
        title: The title, such as `Table 1`.
        caption: The subject of the table.
        columns: The columns in order; neighbours with the same group heading form a group.
        lines: The lines in order.
        compared: Whether the paper's numbers are shown beside ours.
        warnings: The notes of the run, which every format must show.
        notes: Sentences about the numbers: counts, seeds, gaps, signatures, sources.
        figure: The titles of the axes, for a table that can be drawn (`gill_bench.reporting.figure`); else None.
    """

    name: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    compared: bool
    warnings: tuple[str, ...]
    notes: tuple[str, ...] = ()
    figure: Axes | None = None

    @property
    def shows_gains(self) -> bool:
        """Whether the columns show gains of one context over another."""
        return any(column.over for column in self.columns)
