"""Rows with contexts of their own, numbers without seeds, percent, and the reasons of empty cells."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pytest

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.reporting import render
from gill_bench.reporting.structure import Table, TableCell
from gill_bench.reporting.table import build_table
from gill_bench.rundir.rows import Results, Row
from tests.support.made_up import cell, layout, row, seeds, usual_rows

FULL = "5-captions-4-images"


def table_of(name: str, rows: Sequence[Row], compare: bool = False) -> Table:
    cards = Cards()
    return build_table(cards.report(name), Results(tuple(rows)), cards, cards.published() if compare else None)


def notes(table: Table) -> str:
    return "\n".join(table.notes)


def decisions() -> list[Row]:
    kind = {"task": "partiprompts", "higher_is_better": True}
    rows = [
        row("always-retrieve", "test-labels", 0, "macro-f1", 0.26, **kind),
        row("human", "all-labels", 0, "macro-f1", 0.85, n_expected=30, n_available=30, n_scored=30, **kind),
    ]
    for metric in ("macro-f1", "macro-f1-min", "macro-f1-max"):
        rows.append(row("gill", "heuristic", 0, metric, 0.4, signature="candidates:7", **kind))
        rows += seeds("gill", "classifier", metric, [0.5, 0.52], **kind)
    return rows


def lines(table: Table) -> dict[str, list[str]]:
    return {line.title: [item.status for item in line.cells] for line in table.lines}


def test_each_row_has_the_numbers_of_its_own_context() -> None:
    table = table_of("table-6", decisions())
    assert [(line.model, line.context) for line in table.lines] == [
        ("always-retrieve", "test-labels"),
        ("gill", "heuristic"),
        ("gill", "classifier"),
        ("human", "all-labels"),
    ]
    assert [line.cells[0].mean for line in table.lines] == [0.26, 0.4, 0.51, 0.85]
    assert "Contexts of Macro F1: test-labels (Always retrieve); heuristic (Heuristic" in notes(table)


def test_a_metric_that_a_context_does_not_have_is_neither_impossible_nor_unscored() -> None:
    table = table_of("table-6", decisions())
    assert lines(table)["Always retrieve"] == ["measured", "undefined", "undefined"]
    assert '"n/a" run, but without this metric.' in render(table, "markdown")


def test_contexts_have_signatures_of_their_own() -> None:
    table = table_of("table-6", decisions())
    assert "Signature of macro-f1 (heuristic), macro-f1-min, macro-f1-max: candidates:7" not in notes(table)
    assert (
        "Signature of macro-f1 (heuristic), macro-f1-min (heuristic), macro-f1-max (heuristic): candidates:7"
        in notes(table)
    )
    records = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    first = {record["context"]: record["signature"] for record in records if record["metric"] == "macro-f1"}
    assert first["heuristic"] == "candidates:7"
    assert first["test-labels"] == first["classifier"] == "metric:macro-f1|size:224"


def test_different_signatures_in_one_context_are_refused() -> None:
    other = row("clip", "heuristic", 0, "macro-f1", 0.4, task="partiprompts", signature="candidates:9")
    with pytest.raises(InputError, match=r"candidates is '7' and '9'"):
        table_of("table-6", [*decisions(), other])


def test_other_models_are_added_in_the_contexts_of_the_layout_and_listed_ones_are_not() -> None:
    own = [
        row("mine", context, 0, "macro-f1", 0.3, task="partiprompts", higher_is_better=True)
        for context in ("classifier", "test-labels", "another")
    ]
    extra = row("always-retrieve", "all-labels", 0, "macro-f1", 0.2, task="partiprompts", higher_is_better=True)
    titles = [(line.title, line.context) for line in table_of("table-6", [*decisions(), *own, extra]).lines]
    assert titles[-2:] == [("mine, classifier", "classifier"), ("mine, test-labels", "test-labels")]
    assert ("Always retrieve", "all-labels") not in titles


def test_a_context_without_seeds_is_complete_with_one_and_says_why() -> None:
    table = table_of("table-6", decisions())
    assert not any(item.gaps for line in table.lines for item in line.cells)
    assert "Mean ± sample standard deviation over 2 seeds (0, 1): Linear classifier." in notes(table)
    assert "The same with every seed, hence no standard deviation: Always retrieve / Heuristic" in notes(table)


def test_a_seed_that_another_model_has_in_the_context_is_missed() -> None:
    own = seeds("mine", "classifier", "macro-f1", [0.3, 0.3, 0.3], task="partiprompts", higher_is_better=True)
    table = table_of("table-6", [*decisions(), *own])
    assert cell_of(table, "Linear classifier").gaps == ("seed 2 missing",)
    assert cell_of(table, "Always retrieve").gaps == ()


def cell_of(table: Table, title: str, at: int = 0) -> TableCell:
    return next(line for line in table.lines if line.title == title).cells[at]


def test_the_best_is_among_cells_with_as_many_examples_whatever_their_seeds() -> None:
    table = table_of("table-6", decisions())
    assert [line.title for line in table.lines if line.cells[2].best] == ["Linear classifier"]
    assert "No best is marked where the numbers of examples differ: threshold 0.5 (macro-f1)." in notes(table)


def heads() -> list[Row]:
    return [
        *seeds("stable-diffusion", "5-captions", "clip-similarity", [0.59, 0.60]),
        *seeds("gill", "5-captions", "clip-similarity", [0.1, 0.1]),
        *seeds("gill", FULL, "clip-similarity", [0.64, 0.65]),
        row("gill", "caption", 0, "fid", 15.3, task="cc3m-fid"),
        row("stable-diffusion", "caption", 0, "fid", 13.9, task="cc3m-fid"),
    ]


def test_columns_with_and_without_a_context_of_their_own() -> None:
    table = table_of("table-3", heads(), compare=True)
    assert [item.mean for item in next(line for line in table.lines if line.model == "gill").cells] == [15.3, 0.645]
    first = table.lines[0]
    assert [item.published.value for item in first.cells if item.published] == [13.94, 0.598]
    assert not any(item.gaps for line in table.lines for item in line.cells)
    assert "over 2 seeds (0, 1): VIST CLIP Similarity." in notes(table)
    assert "One seed (0), hence no standard deviation: CC3M FID." in notes(table)


def test_a_layout_must_name_contexts_somewhere() -> None:
    card = layout()
    nameless = card.model_copy(update={"columns": (card.columns[0].model_copy(update={"context": ""}),)})
    with pytest.raises(InputError, match=r"neither the column '1 caption' nor the row 'GLIDE' has a context"):
        build_table(nameless, Results(tuple(usual_rows())), Cards())


def retrieval() -> list[Row]:
    kind = {"task": "vist-retrieval", "higher_is_better": True}
    return [row("gill", FULL, 0, f"recall@{k}", value, **kind) for k, value in ((1, 0.203), (5, 0.4504), (10, 0.53))]


def test_percent_is_printed_compared_and_exported() -> None:
    table = table_of("table-5", retrieval(), compare=True)
    percent_cell = cell(table, "gill", 1)
    assert percent_cell.mean == pytest.approx(45.04)
    assert percent_cell.difference == pytest.approx(0.04)
    assert cell(table, "gill", 0).difference == 0
    text = render(table, "markdown")
    assert "Recall (%) ↑<br>R@5" in text
    assert "| GILL | 20.3 | 45.0 | 53.0 |" in text
    assert "+0.0 | +0.0 | -0.7 |" in text
    record = next(entry for entry in csv.DictReader(io.StringIO(render(table, "csv"))) if entry["metric"] == "recall@5")
    assert record["unit"] == "percent"
    value = json.loads(render(table, "json"))["tables"][0]["rows"][-1]["cells"][0]
    assert (value["mean"], value["values"], value["published_value"]) == (20.3, [20.3], 20.3)
    assert r"Recall (\%)" in render(table, "latex")


def test_the_papers_unit_follows_the_column() -> None:
    card = Cards().report("table-5")
    plain = card.model_copy(update={"columns": tuple(c.model_copy(update={"percent": False}) for c in card.columns)})
    made_plain = build_table(plain, Results(tuple(retrieval())), Cards(), Cards().published())
    number = cell(made_plain, "gill", 0).published
    assert number is not None
    assert (number.value, number.unit) == (0.203, "fraction")
    card = Cards().report("table-7")
    percent = card.model_copy(update={"columns": tuple(c.model_copy(update={"percent": True}) for c in card.columns)})
    rows = [row("gill", "question", 0, "vqa-accuracy", 0.3, task="vqav2", higher_is_better=True)]
    number = cell(build_table(percent, Results(tuple(rows)), Cards(), Cards().published()), "gill", 2).published
    assert number is not None
    assert (number.value, number.unit) == (31.78, "percent")


def test_rows_of_the_paper_alone_are_shown_for_comparison_only() -> None:
    rows = [row("gill", "question", 0, "vqa-accuracy", 0.3, task="vqav2", higher_is_better=True)]
    assert [line.model for line in table_of("table-7", rows).lines] == ["gill"]
    compared = table_of("table-7", rows, compare=True)
    assert [line.model for line in compared.lines if line.published_only] == ["frozen", "magma", "fromage"]
    assert "Paper: Tab. 7 of Koh" in notes(compared)
    assert "Paper: Tab. 6, App. C of Koh" in notes(table_of("table-6", decisions(), compare=True))


def times() -> list[Row]:
    return [
        row("opt", "text", 0, "seconds", 0.1, task="speed"),
        row("gill", "text", 0, "seconds", 0.2, task="speed"),
        row("gill", "search", 0, "seconds", 0.001, task="speed"),
        row("stable-diffusion", "picture", 0, "seconds", 3.5, task="speed"),
    ]


def test_impossible_cells_depend_on_the_output_kind_of_their_context() -> None:
    table = table_of("speed", times())
    assert lines(table) == {
        "OPT alone (without GILL)": ["undefined", "measured", "impossible", "impossible"],
        "GILL": ["undefined", "measured", "not-run", "measured"],
        "Stable Diffusion": ["impossible", "impossible", "measured", "impossible"],
    }
    assert "Times were taken in one pass, hence no standard deviation." in notes(table)


def test_a_layout_without_output_kinds_claims_nothing_that_the_rows_refute() -> None:
    card = Cards().report("speed")
    silent = card.model_copy(update={"columns": tuple(c.model_copy(update={"asks": None}) for c in card.columns)})
    table = build_table(silent, Results((*times(), row("clip", "search", 0, "seconds", 0.1, task="speed"))), Cards())
    texts = lines(table)
    assert texts["Stable Diffusion"][3] == "not-run"  # CLIP is no text generator and was asked
    assert texts["CLIP ViT-L/14"][1] == "impossible"


def test_tasks_may_run_a_model_in_their_own_ways() -> None:
    rows = heads()
    rows[-2] = row("gill", "caption", 0, "fid", 15.3, task="cc3m-fid", model_signature="adapter:gill|steps:250")
    table = table_of("table-3", rows)
    assert "GILL + GILLMapper, cc3m-fid as run: adapter:gill|steps:250" in notes(table)
    assert "GILL + GILLMapper, vist as run: adapter:gill|steps:50" in notes(table)


def test_an_empty_column_is_headed_like_its_group() -> None:
    rows = [item for item in decisions() if item.metric == "macro-f1"]
    assert [column.higher_is_better for column in table_of("table-6", rows).columns] == [True] * 3


def test_one_metric_of_two_tasks_is_told_apart() -> None:
    kind = {"higher_is_better": True}
    rows = [
        row("gill", "history", 0, "recall@1", 0.1, task="visdial-answers", signature="a", **kind),
        row("gill", "10-rounds", 0, "recall@1", 0.2, task="visdial-retrieval", signature="b", **kind),
    ]
    table = table_of("visdial-extras", rows, compare=True)
    assert "Signature of recall@1 (history): a" in notes(table)
    assert "Signature of recall@1 (10-rounds): b" in notes(table)
    assert "The paper has no number for this table (Koh" in notes(table)
