"""The layouts in `reports/` name existing cards, contexts and metrics, and show every number of the paper's tables."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from gill_bench.cards.find import Cards, ReportCard, TaskCard
from gill_bench.cards.registry import registered
from gill_bench.datasets import dataset
from gill_bench.interfaces import ASKED_BY_DEFAULT
from gill_bench.metrics import BUILTIN, GROUP, Question, Reference
from gill_bench.reporting import FORMATS, render
from gill_bench.reporting.paper import Paper
from gill_bench.reporting.table import build_table
from gill_bench.rundir.rows import Results
from tests.support.made_up import rows_of_layout

LAYOUTS = Cards().reports()
# The paper quotes these rows from other papers; its GLIDE of Table 8 is a larger model than the card's.
OF_THE_PAPER_ALONE = {
    "table-7": {"frozen", "magma"},
    "table-8": {"glide-large", "make-a-scene", "dall-e-2", "lafite2", "imagen", "parti", "re-imagen"},
}
# Made-up outputs for metrics whose names of numbers depend on the outputs: they lead to all names.
OUTPUTS: dict[str, dict[str, Any]] = {
    "macro-f1": {"a": 0.3, "b": 0.7},
    "timing": {"a": {"seconds": 1.0, "tokens": 3}},
    "vqa-accuracy": {"a": "yes", "b": "2", "c": "a dog"},
}
REFERENCES = {
    name: Reference(["yes"] * 10, {"label": label, "part": "test", "answer_type": kind, "dense": "yes"})
    for name, label, kind in (("a", "gen", "yes/no"), ("b", "ret", "number"), ("c", "gen", "other"))
}


def metrics_of(task: TaskCard) -> set[str]:
    """The names that a task's metrics give their numbers, as the metrics themselves say."""
    names = set()
    for spec in task.metrics:
        module: Any = registered("metric", spec.name, BUILTIN, GROUP)
        if module.kind == "pairs":
            names.add(spec.name)
        elif module.kind == "distribution":
            names |= {"fid", "kid"}
        else:
            outputs = OUTPUTS.get(spec.name, {})
            scores = module.scores(outputs, REFERENCES, spec.settings, Question("features", "", 0))
            names |= {score.metric for score in scores}
    return names


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda card: card.name)
def test_columns_name_tasks_and_metrics_that_exist(layout: ReportCard) -> None:
    for column in layout.columns:
        # A second encoder is an entry that a user adds to a task card (docs/context.md).
        assert column.metric in metrics_of(Cards().task(column.task)) | {"second-similarity"}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda card: card.name)
def test_contexts_are_of_the_datas_grammar_and_ask_what_the_layout_says(layout: ReportCard) -> None:
    for column in layout.columns:
        task = Cards().task(column.task)
        reader = dataset(task.data.format)
        usual = ASKED_BY_DEFAULT[task.capability]
        contexts = (
            [(column.context, column.asks)]
            if column.context
            else [(layout_row.context, layout_row.asks) for layout_row in layout.rows]
        )
        for name, asks in contexts:
            context = reader.context(name)
            assert context.name == name
            assert (asks or usual) == (context.asks or usual)
    assert all(layout_row.context == "" for layout_row in layout.rows) or not all(
        column.context for column in layout.columns
    )


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda card: card.name)
def test_rows_name_models_that_exist_or_are_the_papers_alone(layout: ReportCard) -> None:
    without_card = {layout_row.model for layout_row in layout.rows} - set(Cards().files["model"])
    assert without_card == OF_THE_PAPER_ALONE.get(layout.name, set())
    assert all(layout_row.published for layout_row in layout.rows if layout_row.model in without_card)
    assert len({layout_row.title for layout_row in layout.rows}) == len(layout.rows)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda card: card.name)
def test_every_reference_to_the_paper_leads_to_a_number(layout: ReportCard) -> None:
    paper = Paper(layout, Cards().published())
    for layout_row in layout.rows:
        if layout_row.published:
            assert any(paper.find(layout_row, column) for column in layout.columns), layout_row.title
        if layout_row.published_column:
            columns = [column for column in layout.columns if not column.published]
            assert any(paper.find(layout_row, column) for column in columns), layout_row.title
    for column in layout.columns:
        if column.published or column.published_metric:
            assert any(paper.find(layout_row, column) for layout_row in layout.rows), column.title


def test_every_number_of_the_papers_tables_is_in_a_layout() -> None:
    published = Cards().published()
    used = {
        id(paper.find(layout_row, column))
        for layout in LAYOUTS
        for paper in [Paper(layout, published)]
        for layout_row in layout.rows
        for column in layout.columns
    }
    unused = [number for number in published.numbers if id(number) not in used]
    # The rest of the text: sizes of data, settings, cost of training. None is measured by a task.
    assert {number.table for number in unused} == {"text"}
    assert {number.metric for number in unused} == {
        "count",
        "hyper-parameter",
        "classifier-free guidance scale",
        "DDIM steps",
        "captions",
        "GPU days",
        "TPU days",
    }


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda card: card.name)
@pytest.mark.parametrize("compare", [False, True])
def test_every_layout_is_the_same_in_all_formats(layout: ReportCard, compare: bool) -> None:
    rows = rows_of_layout(layout)
    cards = Cards()
    result_table = build_table(layout, Results(tuple(rows)), cards, cards.published() if compare else None)
    texts = {format: render(result_table, format, width=80) for format in FORMATS}
    texts["latex"] = (
        re.sub(r"\\textbf\{([^}]*)\}", r"\1", texts["latex"]).replace(r"\,$\pm$\,", " ± ").replace("$-$", "-")
    )
    printed = [
        record[name]
        for record in csv.DictReader(io.StringIO(texts["csv"]))
        for name in ("text", "published_text", "difference_text")
    ]
    assert len(printed) == 3 * len(result_table.lines) * len(result_table.columns)
    assert not any(cell.gaps for line in result_table.lines for cell in line.cells)
    for format in ("terminal", "markdown", "latex", "json"):
        assert [text for text in printed if text not in ("", "-") and text not in texts[format]] == [], format
    assert bool(any(printed[1::3])) == (compare and layout.published_table != "")
