"""Made-up rows, and a small table layout, for the tests of reporting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any, Literal

from gill_bench.cards.find import Cards, PublishedCard, ReportCard
from gill_bench.reporting.structure import Line, Table, TableCell
from gill_bench.reporting.table import Intervals, build_table
from gill_bench.rundir.rows import Results, Row
from gill_bench.statistics.mean_interval import MeanInterval


def row(model: str, context: str, seed: int, metric: str, value: float | None, **changes: Any) -> Row:
    """Make a row of VIST with ten scored examples; `changes` replace its fields."""
    plain = Row(
        task="vist",
        model=model,
        context=context,
        seed=seed,
        metric=metric,
        value=value,
        higher_is_better=metric.startswith("clip"),
        n_available=10,
        n_expected=10,
        n_scored=10,
        n_missing=0,
        n_failed=0,
        n_truncated=0,
        n_flagged=0,
        signature=f"metric:{metric}|size:224",
        model_signature=f"adapter:{model}|steps:50",
    )
    return replace(plain, **changes)


def seeds(model: str, context: str, metric: str, values: Sequence[float | None], **changes: Any) -> list[Row]:
    """Make one row for each value; a value's place in the list is its seed."""
    return [row(model, context, seed, metric, value, **changes) for seed, value in enumerate(values)]


def layout() -> ReportCard:
    """Make the layout of a table with three models and three columns, all of which the paper has."""

    def column(context: str, title: str, metric: str, group: str, published_metric: str) -> dict[str, str]:
        return {
            "task": "vist",
            "context": context,
            "metric": metric,
            "group": group,
            "title": title,
            "published": title,
            "published_metric": f"VIST {published_metric}",
        }

    return ReportCard.model_validate(
        {
            "schema": 1,
            "name": "small",
            "title": "Table S",
            "caption": "A small table",
            "published_table": "Tab. 1",
            "rows": [
                {"model": "glide", "title": "GLIDE", "published": "GLIDE"},
                {"model": "stable-diffusion", "title": "SD", "published": "Stable Diffusion v1.5"},
                {"model": "gill", "title": "GILL", "published": "GILL"},
            ],
            "columns": [
                column("1-caption", "1 caption", "clip-similarity", "CLIP", "CLIP similarity"),
                column("5-captions-4-images", "5 captions, 4 images", "clip-similarity", "CLIP", "CLIP similarity"),
                column("1-caption", "1 caption", "lpips", "LPIPS", "LPIPS"),
            ],
        }
    )


def usual_rows() -> list[Row]:
    """Make rows for `layout`: two seeds of two models; SD has no row with pictures, and GLIDE none at all."""
    return [
        *seeds("stable-diffusion", "1-caption", "clip-similarity", [0.590, 0.592]),
        *seeds("gill", "1-caption", "clip-similarity", [0.580, 0.580]),
        *seeds("gill", "5-captions-4-images", "clip-similarity", [0.641, 0.642]),
        *seeds("stable-diffusion", "1-caption", "lpips", [0.7101, 0.7103]),
        *seeds("gill", "1-caption", "lpips", [0.7104, 0.7104]),
    ]


def table(
    rows: Sequence[Row],
    published: PublishedCard | None = None,
    notes: tuple[str, ...] = (),
    intervals: Intervals | None = None,
) -> Table:
    """Build the table of `layout` from rows."""
    results = Results(tuple(sorted(rows, key=str)), (), notes)
    return build_table(layout(), results, Cards(), published, intervals=intervals)


def around(rows: Sequence[Row]) -> MeanInterval | None:
    """Make an interval around a mean: over clusters for CLIP similarity, over seeds for LPIPS; None for one seed."""
    values = [item.value for item in rows if item.value is not None]
    if len(values) < 2:
        return None
    mean = fmean(values)
    over: Literal["clusters", "seeds"] = "clusters" if rows[0].metric.startswith("clip") else "seeds"
    return MeanInterval(mean - 0.0015, mean + 0.0015, over, 7 if over == "clusters" else len(values))


def line(shown: Table, model: str) -> Line:
    """Find the line of a model in a table."""
    return next(item for item in shown.lines if item.model == model)


def cell(shown: Table, model: str, at: int) -> TableCell:
    """Find the cell of a model in the column with the index `at`."""
    return line(shown, model).cells[at]


def rows_of_layout(layout: ReportCard) -> list[Row]:
    """One row for every cell of a layout whose model has a card; two seeds where the paper shows deviations."""
    models = Cards().files["model"]
    rows = [
        row(
            layout_row.model,
            column.context or layout_row.context,
            seed,
            column.metric,
            0.125 + index / 64,
            task=column.task,
        )
        for index, layout_row in enumerate(layout.rows)
        for column in layout.columns
        for seed in ((0, 1) if column.task in ("vist", "visdial") else (0,))
        if layout_row.model in models
    ]
    return list(
        {
            (cell_row.task, cell_row.model, cell_row.context, cell_row.seed, cell_row.metric): cell_row
            for cell_row in rows
        }.values()
    )
