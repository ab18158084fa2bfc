"""Trivial answers stand below the numbers, and a number that is no better than its trivial one is named."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gill_bench.reporting import render
from gill_bench.reporting.structure import Table
from gill_bench.reporting.trivial import no_better_notes, trivial_lines, trivial_notes
from gill_bench.rundir.rows import Row
from tests.support.made_up import around, seeds, table, usual_rows

ANSWER = "the picture of another example"


def beside(rows: list[Row], **values: float) -> list[Row]:
    """The rows with trivial values by metric."""
    names = {"clip": "clip-similarity", "lpips": "lpips"}
    by_metric = {names[name]: value for name, value in values.items()}
    return [
        replace(item, trivial=by_metric.get(item.metric), trivial_answer=ANSWER if item.metric in by_metric else "")
        for item in rows
    ]


def usual(**values: float) -> Table:
    return table(beside(usual_rows(), **values), intervals=around)


def test_the_last_line_has_the_value_of_each_column() -> None:
    [line] = trivial_lines(usual(clip=0.5, lpips=0.75))
    assert line.label == "trivial answer"
    assert [cell.text for cell in line.cells] == ["0.500", "0.500", "0.750"]


def test_rows_of_older_versions_have_no_such_line() -> None:
    shown = table(usual_rows(), intervals=around)
    assert trivial_lines(shown) == []
    assert (no_better_notes(shown), list(trivial_notes(shown))) == ((), [])


def test_a_column_whose_lines_differ_has_both_ends() -> None:
    first, second = (
        beside(seeds(model, "1-caption", "clip-similarity", [0.6, 0.61]), clip=value)
        for model, value in (("gill", 0.5), ("stable-diffusion", 0.52))
    )
    [line] = trivial_lines(table([*first, *second]))
    assert line.cells[0].text == "0.500 to 0.520"


@pytest.mark.parametrize("format", ["markdown", "html", "latex", "terminal"])
def test_every_format_for_readers_has_the_line(format: str) -> None:
    text = render(usual(clip=0.437, lpips=0.913), format)
    assert "trivial answer" in text
    assert "0.437" in text
    assert "0.913" in text


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"clip": 0.5, "lpips": 0.8}, ()),
        ({"clip": 0.63}, ("SD, 1 caption", "GILL, 1 caption")),
        ({"lpips": 0.71}, ("SD, 1 caption", "GILL, 1 caption")),
        ({"clip": 0.5795}, ("GILL, 1 caption",)),  # below the mean and within its interval
    ],
)
def test_what_is_no_better_is_named(values: dict[str, Any], named: tuple[str, ...]) -> None:
    notes = no_better_notes(usual(**values))
    assert len(notes) == bool(named)
    text = "".join(notes)
    assert all(name in text for name in named)
    assert "5 captions, 4 images" not in text


def test_the_answer_is_described_and_times_have_none() -> None:
    [sentence] = trivial_notes(usual(clip=0.5, lpips=0.8))
    assert sentence.endswith(f"on the same examples: {ANSWER} (CLIP / LPIPS).")
