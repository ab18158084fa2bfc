"""Krippendorff's alpha against its author's worked examples; the share of items that most agree on."""

from __future__ import annotations

import pytest

from gill_bench.statistics.agreement import krippendorff_alpha, share_agreeing

# Krippendorff, Computing Krippendorff's Alpha-Reliability (2011), examples A, B and C: a row for each observer, a
# column for each unit, a dot for a missing value.
BINARY = ("0100000010", "1110010000")
NOMINAL = ("aabbdcccedda", "babbbccceddd")
MISSING = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def units(observers: tuple[str, ...]) -> list[list[str]]:
    return [[value for value in column if value != "."] for column in zip(*observers, strict=True)]


@pytest.mark.parametrize(("observers", "alpha"), [(BINARY, 0.095), (NOMINAL, 0.692), (MISSING, 0.743)])
def test_alpha_of_the_published_examples(observers: tuple[str, ...], alpha: float) -> None:
    value = krippendorff_alpha(units(observers))
    assert value is not None
    assert round(value, 3) == alpha


def test_alpha_is_one_zero_or_below_and_none_where_nothing_can_disagree() -> None:
    assert krippendorff_alpha([["a", "a", "a"], ["b", "b"]]) == 1
    assert krippendorff_alpha([["a", "b"], ["b", "a"]]) == pytest.approx(-0.5)
    for without in ([], [["a"], ["b"]], [["a", "a"], ["a", "a"]]):
        assert krippendorff_alpha(without) is None


def test_four_of_five_agree() -> None:
    items = [list("aaaab"), list("aaabb"), list("aaaaa"), list("aaaa"), list("aaaabb"), list("aaaaab")]
    assert share_agreeing(items) == (3 / 5, 5)
    assert share_agreeing([list("aaaa")]) == (None, 0)
