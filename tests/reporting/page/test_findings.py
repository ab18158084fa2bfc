"""The sentence that says what was found, for every kind of result: its claim, its evidence, and how honest it is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from gill_bench.analysis.gallery_records import ModelTest
from gill_bench.reporting.page.findings import TaskFinding, find
from gill_bench.reporting.page.numbers import TaskNumbers, task_numbers
from gill_bench.reporting.structure import Column, Line, Table, TableCell
from gill_bench.rundir.rows import Row
from gill_bench.statistics.bootstrap import Interval
from gill_bench.statistics.mean_interval import MeanInterval
from tests.support.made_up import around, seeds, table, usual_rows

RICHEST = "5-captions-4-images"
AMOUNTS = {("vist", "1-caption"): 1, ("vist", "5-captions"): 5, ("vist", RICHEST): 9}
TITLES = {"gill": "GILL", "stable-diffusion": "SD", "glide": "GLIDE"}


def numbers_of(rows: Sequence[Row]) -> TaskNumbers:
    [numbers] = task_numbers([table(rows, intervals=around)], {"vist": "Stories"}, AMOUNTS)
    return numbers


def gains(*models: tuple[str, float, float, float, float], **column: Any) -> Table:
    """A table of gains: model, gain, both ends of its interval, p."""
    columns = (Column("vist", RICHEST, "clip-similarity", "", "", "", None, 3, False, {}, over="1-caption"),)
    row = seeds("gill", RICHEST, "clip-similarity", [0.6, 0.6])
    lines = tuple(
        Line(
            model,
            model,
            (
                TableCell(
                    "measured",
                    tuple(row),
                    mean,
                    interval=MeanInterval(low, high, "clusters", 20),
                    p=p,
                    p_holm=p,
                    pairs=1048,
                ),
            ),
        )
        for model, mean, low, high, p in models
    )
    return Table("gains", "", "", tuple(replace(item, **column) for item in columns), lines, False, ())


def said(finding: TaskFinding) -> str:
    return f"{finding.claim} ({finding.evidence}).".replace("\u00a0", " ")


def test_the_model_that_gains_most_is_named_with_interval_p_and_counts() -> None:
    table_of_gains = gains(("stable-diffusion", 0.02, -0.01, 0.05, 0.4), ("gill", 0.061, 0.05, 0.0721, 0.0004))
    finding = find(numbers_of(usual_rows()), table_of_gains, [], TITLES)
    assert said(finding) == (
        "GILL gains 0.061 in CLIP similarity from 5 captions and 4 images over 1 caption"
        " (95 % interval 0.050 to 0.072, p < 0.001, 1,048 examples, 2 seeds)."
    )
    assert finding.notes[0] == "The others: SD +0.020 [−0.010, 0.050], not significant."
    assert "Holm over 2 models" in finding.method
    assert (finding.title, finding.model) == ("Stories", "gill")
    assert finding.contexts == {"gill": RICHEST, "stable-diffusion": RICHEST}


@pytest.mark.parametrize(
    ("models", "claim"),
    [
        ([("gill", 0.061, -0.01, 0.13, 0.1)], "GILL does not gain significantly in .*: the difference is \\+0.061"),
        # The interval is above 0, and p among all gains is not small enough.
        ([("gill", 0.061, 0.01, 0.13, 0.06)], "GILL does not gain significantly in "),
        (
            [("gill", -0.061, -0.13, 0.01, 0.1), ("stable-diffusion", -0.2, -0.5, 0.1, 0.3)],
            "No model gains significantly in .* from more context: the largest difference is GILL's −0.061, from ",
        ),
        ([("gill", -0.061, -0.13, -0.01, 0.01)], "GILL loses 0.061 in CLIP similarity from 5 captions and 4 images"),
    ],
)
def test_losses_and_differences_that_are_not_significant_are_named_as_such(models: Any, claim: str) -> None:
    finding = find(numbers_of(usual_rows()), gains(*models), [], TITLES)
    assert re.match(claim, finding.claim), finding.claim
    assert "gains 0" not in finding.claim


def test_a_metric_in_which_lower_is_better_improves() -> None:
    rows = [*seeds("gill", "1-caption", "lpips", [0.7, 0.7])]
    column = {"metric": "lpips", "context": "1-caption", "over": "0-captions"}
    better = find(numbers_of(rows), gains(("gill", 0.1, 0.05, 0.15, 0.001), **column), [], TITLES)
    assert better.claim.startswith("GILL improves LPIPS by 0.100 from 1 caption over 0 captions")
    worse = find(numbers_of(rows), gains(("gill", -0.1, -0.15, -0.05, 0.001), **column), [], TITLES)
    assert worse.claim.startswith("GILL worsens LPIPS by 0.100 from 1 caption over 0 captions")


def test_a_model_that_was_not_asked_in_the_poorest_context_of_all_has_a_poorest_of_its_own() -> None:
    rows = [
        *seeds("stable-diffusion", "1-caption", "clip-similarity", [0.5, 0.5]),
        *seeds("gill", RICHEST, "clip-similarity", [0.6, 0.6]),
    ]
    finding = find(numbers_of(rows), gains(("gill", 0.1, 0.05, 0.15, 0.001)), [], TITLES)
    assert finding.claim.startswith("GILL gains 0.100 in CLIP similarity from ")


def test_the_examples_of_a_claim_are_of_its_contexts_also_where_some_context_says_no_size() -> None:
    rows = [*usual_rows(), *seeds("gill", "5-captions", "clip-similarity", [0.6, 0.6])]
    [numbers] = task_numbers([table(rows)], {}, {("vist", "1-caption"): 1})
    finding = find(numbers, gains(("gill", 0.1, 0.05, 0.15, 0.001)), [], TITLES)
    assert finding.contexts["gill"] == RICHEST


def model_test(mean: float, low: float, high: float, p: float) -> ModelTest:
    """GILL minus SD with 1 caption."""
    difference = Interval(mean, low, high, 10, 7)
    models = ("stable-diffusion", "gill")
    return ModelTest("vist", "1-caption", "clip-similarity", models, difference, p, p, None)


def test_without_gains_the_best_model_stands_beside_the_next() -> None:
    rows = usual_rows()
    ahead = find(numbers_of(rows), None, [model_test(-0.011, -0.02, -0.002, 0.01)], TITLES)
    assert said(ahead) == (
        "SD has the best CLIP similarity with 1 caption, 0.591: 0.011 better than GILL"
        " (95 % interval of the difference 0.002 to 0.020, p = 0.01, 10 examples, 2 seeds)."
    )
    assert ahead.contexts == {"gill": "1-caption", "stable-diffusion": "1-caption"}
    unsure = find(numbers_of(rows), None, [model_test(-0.011, -0.03, 0.008, 0.2)], TITLES)
    assert unsure.claim == "SD has the best CLIP similarity with 1 caption, 0.591, but no significant lead over GILL"
    untested = find(numbers_of(rows), None, [], TITLES)
    assert untested.claim == "SD has the best CLIP similarity with 1 caption, 0.591, before GILL with 0.580"
    assert "over clusters of examples" in untested.evidence
    assert "not tested" in untested.notes[0]


def test_models_with_the_same_printed_number_are_equal() -> None:
    rows = [row for model in TITLES for row in seeds(model, "1-caption", "clip-similarity", [0.5, 0.5])]
    assert find(numbers_of(rows), None, [], TITLES).claim == (
        "GLIDE, SD and GILL have the same CLIP similarity with 1 caption, 0.500"
    )


def test_one_model_in_one_context_has_its_number_with_or_without_an_interval() -> None:
    several = find(numbers_of(seeds("gill", "1-caption", "clip-similarity", [0.5, 0.52])), None, [], TITLES)
    assert said(several) == (
        "GILL has 0.510 in CLIP similarity with 1 caption"
        " (95 % interval 0.509 to 0.511 over clusters of examples, 10 examples, 2 seeds)."
    )
    single = find(numbers_of(seeds("gill", "1-caption", "clip-similarity", [0.5])), None, [], {})
    assert said(single) == (
        "gill has 0.500 in CLIP similarity with 1 caption"
        " (no interval, as nothing tells of its spread, 10 examples, 1 seed)."
    )


def test_limits_of_a_finding_stand_in_its_notes() -> None:
    shared = {"signature": "metric:x|weights:0123abcd", "model_signature": "adapter:gill|weights.encoder:0123abcd"}
    rows = seeds("gill", "1-caption", "clip-similarity", [0.5, 0.52], n_available=50, n_scored=9, n_failed=1, **shared)
    limited, incomplete, own = find(numbers_of(rows), None, [], TITLES).notes
    assert limited == "Asked: 10 of the 50 examples of the data."
    assert incomplete.startswith("Incomplete: ")
    assert own == "The network of CLIP similarity is a component of GILL itself; read another metric beside it."


def test_numbers_are_of_plain_contexts_the_richest_last() -> None:
    rows = [*usual_rows(), *seeds("gill", f"{RICHEST}@shuffled", "clip-similarity", [0.9, 0.9])]
    numbers = numbers_of(rows)
    assert list(numbers.by_metric) == ["clip-similarity", "lpips"]
    assert list(numbers.by_metric["clip-similarity"]) == ["1-caption", RICHEST]
    assert numbers.models == ("stable-diffusion", "gill")
    backwards = {("vist", "1-caption"): 2, ("vist", RICHEST): 1}
    [turned] = task_numbers([table(rows)], {}, backwards)
    assert list(turned.by_metric["clip-similarity"]) == [RICHEST, "1-caption"]
    assert turned.title == "vist"
