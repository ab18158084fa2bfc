"""Messages that refuse numbers name the fields in which two signatures differ."""

from __future__ import annotations

from gill_bench.rundir.signatures import describe_differences, signature_differences


def test_fields_are_compared_by_name_not_by_place() -> None:
    assert signature_differences("a:1|b:2", "c:3|a:1|b:4") == [("b", "2", "4"), ("c", "absent", "3")]


def test_signatures_without_fields_that_differ_are_shown_whole() -> None:
    assert signature_differences("a:1|b:2", "b:2|a:1") == [("signature", "a:1|b:2", "b:2|a:1")]


def test_long_lists_are_counted() -> None:
    first, second = ("|".join(f"{name}:{value}" for name in "abcde") for value in (1, 2))
    assert describe_differences(first, second, most=2) == "a is '1' and '2'; b is '1' and '2'; 3 more fields differ"
