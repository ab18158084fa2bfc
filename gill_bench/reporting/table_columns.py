"""The columns of a table, made from a layout: which rows each column shows, and whether they may share it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gill_bench.cards.find import ReportCard, ReportColumn
from gill_bench.errors import InputError
from gill_bench.reporting.structure import Axes, Column
from gill_bench.rundir.rows import Row
from gill_bench.rundir.signatures import describe_differences


def base_name(metric: str) -> str:
    """The metric without its stand-in backbone.

    >>> base_name("lpips[mini]")
    'lpips'
    """
    return metric.split("[", 1)[0]


def variant_of(metric: str) -> str:
    """The stand-in backbone of a metric, or "".

    >>> variant_of("lpips[mini]")
    'mini'
    """
    return metric[len(base_name(metric)) :].strip("[]")


def belongs(row: Row, column: ReportColumn, card: ReportCard) -> bool:
    """Whether a column of a layout shows a row of results.

    The row's metric is the column's; if the layout names no stand-in backbone, the metric may have any. If the column
    names no context, the layout's rows do: a model that the layout lists is shown in the contexts listed for it, any
    other model in all contexts that the layout lists.
    """
    if row.task != column.task or column.metric not in (row.metric, base_name(row.metric)):
        return False
    if column.context:
        return row.context == column.context
    listed = {spec.context for spec in card.rows if spec.model == row.model}
    return row.context in (listed or {spec.context for spec in card.rows})


def build_columns(
    card: ReportCard, rows: Sequence[Row], directions: Sequence[bool | None]
) -> tuple[list[Column], list[list[Row]]]:
    """Build the columns of a table, and find the rows of each column.

    Args:
        card: The layout.
        rows: All rows of results.
        directions: For each column of the layout, the paper's `higher_is_better`, used where a column has no rows.

    Raises:
        InputError: Numbers that are not comparable would share a column, or neither a column nor a row of the layout
            names a context.
    """
    nameless = next((spec.title for spec in card.rows if not spec.context), None)
    for spec in card.columns:
        if not spec.context and nameless is not None:
            raise InputError(
                f"{card.name}: neither the column {spec.title!r} nor the row {nameless!r} has a context;"
                " give the column one, or every row"
            )
    rows_of = [[row for row in rows if belongs(row, column, card)] for column in card.columns]
    for spec, members in zip(card.columns, rows_of, strict=True):
        _check_same_kind(" ".join((f"{card.name}, column", spec.task, spec.context, spec.metric)), members)
    columns = []
    for spec, members, direction in zip(card.columns, rows_of, directions, strict=True):
        # An empty column is headed like the columns of its metric in other contexts, so that a group stays together.
        same_metric = [
            row for row in rows if row.task == spec.task and spec.metric in (row.metric, base_name(row.metric))
        ]
        known = members or same_metric
        metric = known[0].metric if known else spec.metric
        columns.append(
            Column(
                task=spec.task,
                context=spec.context,
                metric=metric,
                title=spec.title,
                group=spec.group,
                variant=variant_of(metric),
                higher_is_better=known[0].higher_is_better if known else direction,
                digits=spec.digits,
                percent=spec.percent,
                signatures={row.context: row.signature for row in members},
                x=spec.x,
                series=spec.series,
                over=spec.over,
                if_above=spec.if_above,
                if_not=spec.if_not,
            )
        )
    return [_headed_like_its_group(column, columns) for column in columns], rows_of


def axes_of(card: ReportCard) -> Axes | None:
    """The titles of the axes of a layout's figure; None if the layout is a table only.

    Raises:
        InputError: The layout's columns cannot be drawn together.
    """
    if card.figure is None:
        return None
    if card.shows_gains:
        return Axes(card.figure.x, card.figure.y)
    drawn = [column for column in card.columns if column.x is not None]
    if not drawn:
        raise InputError(f"{card.name}: has a [figure], but no column has an x; give those that are to be drawn one")
    if len({(column.metric, column.percent) for column in drawn}) > 1:
        metrics = ", ".join(dict.fromkeys(column.metric for column in drawn))
        raise InputError(f"{card.name}: columns of different metrics or units have an x ({metrics}); a figure has one")
    points = Counter((column.series, column.x) for column in drawn)
    twice = next((point for point, count in points.items() if count > 1), None)
    if twice is not None:
        raise InputError(
            f"{card.name}: two columns of series {twice[0]!r} have x = {twice[1]:g}; give one another series"
        )
    return Axes(card.figure.x, card.figure.y)


def _headed_like_its_group(column: Column, columns: Sequence[Column]) -> Column:
    """The column; if its metric's direction is unknown, it gets its group's, when all columns of the group agree."""
    directions = {member.higher_is_better for member in columns if member.group == column.group} - {None}
    if not column.group or column.higher_is_better is not None or len(directions) != 1:
        return column
    return replace(column, higher_is_better=directions.pop())


def check_models(name: str, rows: Sequence[Row]) -> None:
    """Refuse a table in which one model was run in two ways for one task; tasks may differ in their sampling.

    Raises:
        InputError: A model has two signatures in one task; the message names the fields that differ.
    """
    first: dict[tuple[str, str], Row] = {}
    for row in rows:
        earlier = first.setdefault((row.task, row.model), row)
        if earlier.model_signature != row.model_signature:
            differences = describe_differences(earlier.model_signature, row.model_signature)
            raise InputError(
                f"{name}: {row.model} was run in two ways ({earlier.context} and {row.context}): {differences};"
                " run it the same way, or report the runs separately"
            )


def _check_same_kind(where: str, rows: Sequence[Row]) -> None:
    """Refuse rows of different metric variants or directions, or of different signatures in the same context."""
    first_in = {row.context: row for row in reversed(rows)}
    for row in rows[1:]:
        first = rows[0]
        if row.metric != first.metric:
            raise InputError(
                f"{where}: {first.metric} (of {_who(first)}) and {row.metric} (of {_who(row)}) cannot share a column;"
                " score one of them again with the other's weights, or report the runs separately"
            )
        other = first_in[row.context]
        if row.signature != other.signature:
            differences = describe_differences(other.signature, row.signature)
            raise InputError(
                f"{where}: {_who(other)} and {_who(row)} have different signatures and cannot share a column:"
                f" {differences}; run or score them the same way, or report them separately"
            )
        if row.higher_is_better != first.higher_is_better:
            raise InputError(f"{where}: {_who(first)} and {_who(row)} disagree on higher_is_better; score them again")


def _who(row: Row) -> str:
    return f"{row.model} seed {row.seed}"


def describe(rows: Iterable[Row]) -> str:
    """The tasks, contexts, metrics and models of rows, in words for messages."""
    listed = list(rows)
    if not listed:
        return "no rows at all"
    kinds = {
        "tasks": {row.task for row in listed},
        "contexts": {row.context for row in listed},
        "metrics": {row.metric for row in listed},
        "models": {row.model for row in listed},
    }
    return "; ".join(f"{kind} {', '.join(sorted(names))}" for kind, names in kinds.items())
