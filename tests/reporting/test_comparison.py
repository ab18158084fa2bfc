"""Comparisons in a terminal: a row for each context and metric, files only on request, no number cut."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from gill_bench.analysis.compare import Change, Comparison, Comparisons, LeftOut
from gill_bench.reporting.comparison import render_comparisons
from gill_bench.reporting.screen import Screen
from gill_bench.statistics.bootstrap import Interval

CHANGE = Change("1030", 0.25, 0.75, 2, ("runs/a/002-1030-2.png", "runs/b/002-1030-2.png"))


def comparison(context: str, metric: str, low: float, high: float, **changes: Any) -> Comparison:
    mean = (low + high) / 2
    usual_comparison = Comparison(
        task="vist",
        context=context,
        models=("stable-diffusion", "gill"),
        metric=metric,
        higher_is_better=metric.startswith("clip"),
        means=(0.5, 0.5 + mean),
        difference=Interval(mean, low, high, 48, 24),
        p=0.001 if low > 0 or high < 0 else 0.5,
        p_holm=0.004 if low > 0 or high < 0 else 1.0,
        p_bootstrap=0.002,
        p_mcnemar=None,
        effect_size=1.25,
        wins=40,
        losses=7,
        ties=1,
        seeds=(0, 1),
        changes=(),
        only_first=(),
        only_second=(),
        incomplete=(),
        notes=(),
    )
    return replace(usual_comparison, **changes)


def usual() -> list[Comparison]:
    return [
        comparison("1-caption", "clip-similarity[mini]", -0.08, 0.06),
        comparison("5-captions-4-images", "clip-similarity[mini]", 0.169, 0.324),
        comparison("5-captions-4-images", "lpips[mini]", 0.06, 0.45, p_holm=0.2),
    ]


def shown(rows: list[Comparison], width: int = 110, notes: bool = False, **rest: Any) -> str:
    comparisons = Comparisons(tuple(rows), rest.get("left_out", ()), rest.get("unmatched", ()))
    return render_comparisons(comparisons, ("runs/a:stable-diffusion", "runs/a:gill"), Screen(width, False, notes))


def test_a_row_has_context_metric_both_sides_difference_interval_p_and_verdict() -> None:
    lines = shown(usual()).splitlines()
    assert lines[:2] == ["A  runs/a:stable-diffusion", "B  runs/a:gill"]
    assert "vist: gill (B) against stable-diffusion (A)" in lines
    cells = [re.split(r" {2,}", line) for line in lines]
    assert ["context", "metric", "A", "B", "difference", "95 % interval", "p", "verdict"] in cells
    first = ["1-caption", "clip-similarity[mini]", "0.500", "0.490", "-0.010", "[-0.080, 0.060]", "0.5", "open"]
    assert first in cells
    assert ["5-captions-4-images", "clip-similarity[mini]", "0.500", "0.746"] in [cell[:4] for cell in cells]
    assert [cell[-1] for cell in cells if cell[0] == "5-captions-4-images"] == ["better", "WORSE°"]
    assert any(line.startswith("° not among so many comparisons") for line in lines)
    assert "°" not in shown(usual()[:2])


def test_files_and_details_are_shown_only_on_request() -> None:
    plain = shown(usual())
    assert not re.search(r"\.png|d_z|Holm 0|wins|B better in", plain)
    assert "48 examples in 24 clusters, seeds 0, 1." in plain
    detailed = shown(usual(), notes=True)
    assert detailed.count("d_z +1.25, p 0.5, Holm 1, paired bootstrap p 0.002") == 1
    assert detailed.count("B better in 40, worse in 7, equal in 1") == 3
    with_files = shown([replace(each, changes=(CHANGE,)) for each in usual()])
    assert with_files.count("runs/b/002-1030-2.png") == 3
    assert "1030, seed 2: 0.2500 -> 0.7500" in with_files


@pytest.mark.parametrize("width", [40, 80, 200])
def test_every_number_is_whole_at_every_width(width: int) -> None:
    text = shown(usual(), width)
    for whole in ("0.746", "+0.246", "[0.169, 0.324]", "[-0.080, 0.060]", "WORSE°", "clip-similarity"):
        assert whole in text
    if width >= 80:
        assert max(map(len, text.splitlines())) <= width
        assert sum(line.startswith("─") for line in text.splitlines()) == 1


def test_a_narrow_interval_gets_the_digits_that_show_it() -> None:
    text = shown([comparison("5-captions", "lpips", 0.00012, 0.00036)])
    assert "[0.00012, 0.00036]" in text
    assert "+0.00024" in text


def test_rows_that_are_not_compared_are_named_once_or_with_their_rows() -> None:
    rows = usual()
    rows[0] = replace(rows[0], difference=Interval(-0.01, -0.08, 0.06, 40, 20), only_second=("7", "8"), notes=("odd",))
    left = LeftOut("vist", "5-captions", ("a", "a"), "fid", (1.0, None), "no values of single examples in B")
    text = " ".join(shown(rows, left_out=(left,), unmatched=(("A", "vist/gill/x/lpips"),)).split())
    assert "40 examples in 20 clusters, seeds 0, 1 (1-caption, clip-similarity[mini])." in text
    assert "48 examples in 24 clusters, seeds 0, 1 (5-captions-4-images, clip-similarity[mini], 5-captions" in text
    assert "Not compared, only in B: 2 examples (7, 8) (1-caption, clip-similarity[mini])." in text
    assert "Note: odd (1-caption" in text
    assert "not compared: vist 5-captions fid, a: 1.0000 -> -: no values of single examples in B" in text
    assert "only in A: vist/gill/x/lpips" in text


def test_models_and_tasks_have_tables_of_their_own() -> None:
    other = [replace(each, models=("opt", "opt"), task="vqa") for each in usual()[:1]]
    text = shown([*usual(), *other])
    assert "\nvqa: opt\n" in text
    assert text.count("verdict") == 2
