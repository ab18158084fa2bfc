"""A table as data: what is in every cell and why a cell is empty, without any format.

All renderers read this structure, so that a number cannot differ between two formats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from gill_bench.interfaces import OutputKind
from gill_bench.rundir.rows import Row
from gill_bench.statistics.mean_interval import MeanInterval

Status = Literal["measured", "unscored", "undefined", "impossible", "not-run"]


def shifted(value: float, places: int) -> float:
    """A number with its decimal point moved to the right, without gaining digits.

    >>> shifted(0.203, 2), 0.203 * 100
    (20.3, 20.300000000000004)
    """
    return float(Decimal(repr(value)).scaleb(places)) if places else value


def in_unit(value: float, percent: bool) -> float:
    """A fraction in the unit of its column."""
    return shifted(value, 2 if percent else 0)


@dataclass(frozen=True, slots=True)
class Published:
    """The paper's number for a cell.

    Attributes:
        value: As printed in the paper; as percent where the column is in percent.
        std: The figure after the paper's plus-minus sign, of unstated kind.
        unit: Such as `fraction` or `percent`.
        source: Where in the paper it stands.
        note: What must be known to read it.
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
        gaps: Why the cell is incomplete; empty if it is complete.
        best: The best of its column at the printed digits.
        published: The paper's number, when the table is compared with the paper.
        asks: What the model is asked for; None where no card tells.
        interval: Of the mean, at 95 %, in the column's unit; None where it was not asked for, or nothing tells.
        comparable: With the paper: neither stand-ins nor a part of the data are behind it.
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
    comparable: bool = True

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds in the mean."""
        return tuple(row.seed for row in self.rows if row.value is not None)

    @property
    def n_expected(self) -> int:
        """Samples asked for: examples times seeds, as all counts of a cell."""
        return sum(row.n_expected for row in self.rows)

    @property
    def n_scored(self) -> int:
        """Samples in the mean."""
        return sum(row.n_scored for row in self.rows)

    @property
    def n_examples(self) -> tuple[int, ...]:
        """Examples in the mean, by seed."""
        return tuple(row.n_scored for row in self.rows if row.value is not None)

    @property
    def depends_on_seed(self) -> bool:
        """Whether another seed can give another number: greedy text, a search and a measured time have none."""
        return self.asks in ("images", "features", None)

    @property
    def signature(self) -> str:
        """Of its numbers; "" if there are none."""
        return self.rows[0].signature if self.rows else ""

    @property
    def model_signature(self) -> str:
        """How the model was run; "" if it was not."""
        return self.rows[0].model_signature if self.rows else ""

    @property
    def n_missing(self) -> int:
        """Samples left out because data is missing or unreadable."""
        return sum(row.n_missing for row in self.rows)

    @property
    def n_failed(self) -> int:
        """Samples on which the model raised, or that could not be scored."""
        return sum(row.n_failed for row in self.rows)

    @property
    def n_refused(self) -> int:
        """Samples that the model declined by policy."""
        return sum(row.n_refused for row in self.rows)

    @property
    def n_not_made(self) -> int:
        """Samples that nobody asked the model for yet."""
        return sum(row.n_not_made for row in self.rows)

    @property
    def n_truncated(self) -> int:
        """Scored samples whose prompt the model had to cut."""
        return sum(row.n_truncated for row in self.rows)

    @property
    def n_flagged(self) -> int:
        """Scored samples whose picture the safety checker blackened."""
        return sum(row.n_flagged for row in self.rows)

    @property
    def difference(self) -> float | None:
        """Ours minus the paper's, in the column's unit."""
        if self.mean is None or self.published is None:
            return None
        return self.mean - self.published.value

    @property
    def published_in_interval(self) -> bool | None:
        """Whether the paper's number lies in the interval of our mean; None where that is unknown or tells nothing."""
        if self.interval is None or self.published is None or not self.comparable:
            return None
        return self.interval.low <= self.published.value <= self.interval.high


@dataclass(frozen=True, slots=True)
class Column:
    """One metric, in one context or in that of each line.

    Attributes:
        task: Name of the task card.
        context: Canonical name of the context; "" where lines differ in it.
        metric: As in the rows: with a stand-in backbone, its name in brackets.
        title: The heading of this column.
        group: The heading over this column and its neighbours, or "".
        variant: The stand-in backbone, such as `mini`, or "".
        higher_is_better: Which way the metric points; None if neither rows nor paper say so.
        digits: Decimals that are printed.
        percent: Numbers are in percent.
        signatures: By context, of all numbers of the column in it.
        x: Where it lies on the axis of the table's figure; None for a column that is not drawn.
        series: Which curve of a model it belongs to.
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

    @property
    def signature(self) -> str:
        """The one of all numbers; "" if there are none, or contexts differ in it."""
        found = set(self.signatures.values())
        return found.pop() if len(found) == 1 else ""


@dataclass(frozen=True, slots=True)
class Line:
    """One model.

    Attributes:
        model: Name of the model card.
        title: What the table calls it.
        cells: Aligned with the columns.
        published_only: The model was not run; the line shows what the paper says.
        context: Of its numbers in columns without one.
        added: The layout does not list the model.
    """

    model: str
    title: str
    cells: tuple[TableCell, ...]
    published_only: bool = False
    context: str = ""
    added: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """What the two axes of a figure show."""

    x: str
    y: str


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: Name of the report card.
        title: Such as `Table 1`.
        caption: What the table is about.
        columns: In order; neighbours with the same heading form a group.
        lines: The models, in order.
        compared: The paper's numbers are shown beside ours.
        warnings: The notes of the run, which every rendering must carry.
        notes: Sentences that make the numbers readable: counts, seeds, gaps, signatures, sources.
        figure: For a table that can be drawn (`gill_bench.reporting.figure`).
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
