"""Alignment of the values of two cells for a comparison, with made-up runs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gill_bench.analysis.compare import Comparison, compare
from gill_bench.analysis.side import Side
from gill_bench.errors import InputError
from gill_bench.statistics.significance import mcnemar_p
from tests.support.made_up_run import SCORES, made_up
from tests.support.runs import seal_again


def comparison_of(first: Path, second: Path) -> Comparison:
    [comparison] = compare(Side(first), Side(second))
    return comparison


def edit(file: Path, *changes: tuple[str, str]) -> None:
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


def binary(seed: int, seeds: int = 1) -> np.ndarray:
    return (np.random.default_rng(seed).random((30, seeds)) < 0.5).astype(float)


def alone(folder: Path) -> None:
    """Make every example a cluster of its own."""
    for file in folder.rglob("samples.jsonl"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("\n".join(json.dumps({**line, "cluster": line["example"]}) for line in lines) + "\n")
    seal_again(folder)


def test_mcnemar_is_for_independent_answers(tmp_path: Path) -> None:
    values = binary(1), binary(2)
    for name, value in zip("ab", values, strict=True):
        made_up(tmp_path / name, value)
    comparison = comparison_of(tmp_path / "a", tmp_path / "b")
    assert comparison.p_mcnemar is None
    assert comparison.notes == ("no McNemar test: examples of one cluster are not independent; p is over clusters",)
    alone(tmp_path / "a")
    alone(tmp_path / "b")
    comparison = comparison_of(tmp_path / "a", tmp_path / "b")
    only = int((values[0] > values[1]).sum()), int((values[1] > values[0]).sum())
    assert (comparison.p_mcnemar, comparison.notes) == (mcnemar_p(*only), ())
    assert (comparison.losses, comparison.wins, comparison.ties) == (*only, 30 - sum(only))


def test_no_mcnemar_over_several_seeds(tmp_path: Path) -> None:
    made_up(tmp_path / "a", binary(1, 2))
    made_up(tmp_path / "b", binary(2, 2))
    comparison = comparison_of(tmp_path / "a", tmp_path / "b")
    assert (comparison.p_mcnemar, "several seeds" in comparison.notes[0]) == (None, True)


def test_sides_without_a_shared_seed(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(size=(30, 2)), generator.normal(0.5, 1, size=(30, 2))
    made_up(tmp_path / "a", values[0])
    made_up(tmp_path / "b", values[1])
    for file in (tmp_path / "b").rglob("*"):
        if file.name in ("results.json", "samples.jsonl"):
            edit(file, ('"seed": 0', '"seed": 7'), ('"seed": 1', '"seed": 8'))
        elif file.name == SCORES:
            content = json.loads(file.read_text())
            content["values"] = [[name, seed + 7, value] for name, seed, value in content["values"]]
            file.write_text(json.dumps(content))
    seal_again(tmp_path / "b")
    comparison = comparison_of(tmp_path / "a", tmp_path / "b")
    assert comparison.notes == (
        "the sides share no seed, so that their noise differs: means over the seeds of each are compared",
    )
    assert comparison.difference.mean == pytest.approx(values[1].mean() - values[0].mean())


def test_another_split_and_another_prompt_are_said(tmp_path: Path) -> None:
    made_up(tmp_path / "a", binary(1), signature="data:vist/val|examples:aa|net:a")
    made_up(tmp_path / "b", binary(2)[:24], signature="data:vist/test|examples:bb|net:a")
    for file in (tmp_path / "b").rglob("samples.jsonl"):
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text(
            "\n".join(json.dumps({**x, "prompt": "new"} if x["example"] == "3" else x) for x in lines) + "\n"
        )
    seal_again(tmp_path / "b")
    comparison = comparison_of(tmp_path / "a", tmp_path / "b")
    assert comparison.difference.n == 24
    assert set(comparison.only_first) == {str(name) for name in range(24, 30)}
    assert comparison.notes[:2] == (
        "the sides were given different examples: only the shared examples are compared",
        "1 of the shared examples had different prompts on the two sides",
    )


@pytest.mark.parametrize("other", ["data:coco/val|examples:aa|net:a", "data:vist/val|examples:bb|net:b"])
def test_numbers_that_were_computed_in_two_ways_are_refused(tmp_path: Path, other: str) -> None:
    made_up(tmp_path / "a", binary(1), signature="data:vist/val|examples:aa|net:a")
    made_up(tmp_path / "b", binary(2), signature=other)
    if other.endswith("net:b"):
        edit(next((tmp_path / "b").rglob(SCORES)), ("net:a", "net:b"))
        seal_again(tmp_path / "b")
    with pytest.raises(InputError, match="computed in two ways"):
        compare(Side(tmp_path / "a"), Side(tmp_path / "b"))


def test_failures_of_one_side_are_counted_in_a_note(tmp_path: Path) -> None:
    made_up(tmp_path / "a", binary(1))
    made_up(tmp_path / "b", binary(2), failed=3)
    assert "3 of 30 examples failed in B" in comparison_of(tmp_path / "a", tmp_path / "b").notes


def test_one_cluster_is_left_out_and_said(tmp_path: Path) -> None:
    made_up(tmp_path / "a", binary(1)[:3])
    made_up(tmp_path / "b", binary(2)[:3])
    with pytest.raises(InputError, match="all examples are of one cluster"):
        compare(Side(tmp_path / "a"), Side(tmp_path / "b"))


def test_seeds_that_move_all_examples_widen_the_interval(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    base = generator.normal(0, 0.1, (30, 1)) + generator.normal(0, 0.1, (30, 5))
    made_up(tmp_path / "a", np.zeros((30, 5)))
    made_up(tmp_path / "b", base)
    made_up(tmp_path / "c", base + np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))
    narrow, wide = (comparison_of(tmp_path / "a", tmp_path / name).difference for name in "bc")
    assert wide.mean == pytest.approx(narrow.mean)
    assert wide.high - wide.low > 10 * (narrow.high - narrow.low)


def test_sides_without_a_shared_example_are_refused(tmp_path: Path) -> None:
    made_up(tmp_path / "a", binary(1), signature="examples:aa|net:a")
    made_up(tmp_path / "b", binary(2), signature="examples:bb|net:a")
    for file in (tmp_path / "b").rglob("*"):
        if file.name == "samples.jsonl":
            edit(file, ('"example": "', '"example": "other'))
        elif file.name == SCORES:
            content = json.loads(file.read_text())
            content["values"] = [["other" + name, seed, value] for name, seed, value in content["values"]]
            file.write_text(json.dumps(content))
    seal_again(tmp_path / "b")
    with pytest.raises(InputError, match="the sides have no example in common"):
        compare(Side(tmp_path / "a"), Side(tmp_path / "b"))
