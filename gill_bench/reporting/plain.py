"""The layout of a task that no report card shows: every model, every context, every metric."""

from __future__ import annotations

from collections.abc import Sequence

from gill_bench.cards.find import ReportCard, ReportColumn
from gill_bench.datasets.controls import MARK, plain_name
from gill_bench.reporting.table_columns import base_name
from gill_bench.rundir.rows import Row


def controls_layout(task: str, rows: Sequence[Row]) -> ReportCard:
    """A plain layout of a task's control contexts, each beside its plain context."""
    with_controls = {plain_name(row.context) for row in rows if row.task == task and MARK in row.context}
    layout = plain_layout(task, [row for row in rows if plain_name(row.context) in with_controls])
    caption = "Control contexts beside their plain contexts"
    return layout.model_copy(
        update={"name": f"{task}-controls", "title": f"{task}, control contexts", "caption": caption}
    )


def plain_layout(task: str, rows: Sequence[Row]) -> ReportCard:
    """A layout with one column for each metric and context of a task, sorted by their names."""
    pairs = dict.fromkeys((base_name(row.metric), row.context) for row in rows if row.task == task)
    columns = [
        ReportColumn(task=task, context=context, metric=metric, group=metric, title=context)
        for metric, context in sorted(pairs)
    ]
    return ReportCard(
        schema=1,
        name=task,
        title=task,
        caption="Everything that was scored",
        published_table="",
        rows=(),
        columns=tuple(columns),
    )
