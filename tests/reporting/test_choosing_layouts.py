from __future__ import annotations

from collections.abc import Sequence

import pytest

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.reporting.layouts import choose_layouts
from gill_bench.rundir.rows import Row
from tests.support.made_up import row

PAPER = ("1-caption", "5-captions", "5-captions-4-images")


def stories(model: str, contexts: Sequence[str] = PAPER) -> list[Row]:
    return [row(model, context, 0, metric, 0.5) for context in contexts for metric in ("clip-similarity", "lpips")]


def names(rows: Sequence[Row]) -> list[str]:
    return [chosen.layout.name for chosen in choose_layouts(Cards(), rows, None)]


def elsewhere(rows: Sequence[Row], table: str) -> frozenset[str]:
    return next(choice.elsewhere for choice in choose_layouts(Cards(), rows, None) if choice.layout.name == table)


def test_a_figure_whose_numbers_a_table_has_is_left_out() -> None:
    assert names([*stories("gill"), *stories("stable-diffusion", PAPER[:2])]) == ["table-1"]


def test_a_sweep_adds_its_figure_after_the_tables() -> None:
    assert names(stories("gill", [*PAPER, "2-captions", "2-captions-1-image"])) == ["table-1", "figure-6"]


def test_one_variant_alone_is_compared_in_the_table_with_most_columns() -> None:
    rows = stories("gill-linear", PAPER[2:])
    assert names(rows) == ["table-1"]
    assert elsewhere(rows, "table-1") == frozenset()


def test_variants_are_in_their_own_tables_only() -> None:
    rows = [*stories("gill"), *stories("gill-linear", PAPER[2:]), *stories("gill-r1", PAPER[2:])]
    assert names(rows) == ["table-1", "table-3", "table-4"]
    assert elsewhere(rows, "table-1") == {"gill-linear", "gill-r1"}
    assert elsewhere(rows, "table-3") == {"gill-r1"}


def test_a_model_of_ones_own_is_in_every_table_that_it_has_numbers_for() -> None:
    rows = [*stories("gill"), *stories("gill-linear", PAPER[2:]), *stories("mine")]
    assert "mine" not in elsewhere(rows, "table-1") | elsewhere(rows, "table-3")


def test_a_table_on_request_is_shown_when_it_is_named_only() -> None:
    rows = [
        row("gill", "question", 0, metric, 0.5, task="vqav2")
        for metric in ("vqa-accuracy", "vqa-accuracy/answer_type/number")
    ]
    assert names(rows) == ["table-7"]
    assert [choice.layout.name for choice in choose_layouts(Cards(), rows, ["vqa-types"])] == ["vqa-types"]


def test_a_task_that_no_table_shows_gets_a_plain_one_beside_the_others() -> None:
    plain_row = row("gill", "anything", 0, "lpips", 0.5, task="my-task")
    assert names([*stories("gill"), plain_row]) == ["table-1", "my-task"]


def test_a_named_table_without_rows_says_so() -> None:
    with pytest.raises(InputError, match=r"table-8: shows nothing of the results, which have tasks vist"):
        choose_layouts(Cards(), stories("gill"), ["table-8"])


def test_a_context_that_no_row_of_the_layout_names_is_not_of_its_columns() -> None:
    other = row("gill", "somehow", 0, "macro-f1", 0.5, task="partiprompts")
    assert names([other]) == ["partiprompts"]
