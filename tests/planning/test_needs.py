"""The parts of examples that metrics read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gill_bench.cards.find import Cards
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.errors import InputError
from gill_bench.interfaces import OutputKind
from gill_bench.planning.needs import check_needs
from tests.support.own_data import own_card

TARGET = Picture("t", None)


def examples(*answers: tuple[str, ...]) -> list[Example]:
    turns = (Turn("a"),)
    return [Example(str(number), "c", turns, TARGET, texts, {"gt_index": "0"}) for number, texts in enumerate(answers)]


@pytest.mark.parametrize(
    ("metric", "asks", "data", "message"),
    [
        ("clip-similarity", ["images"], Dataset([Example("x", "x", (Turn("a"),))]), "1 of 1 examples have no target"),
        ("fid", ["images"], Dataset(examples(())), "the data names no reference pictures"),
        ("captions", ["texts"], Dataset(examples(("a",), ())), r"1 of 2 examples have no answers.*the first is '1'"),
        ("recall", ["scores"], Dataset(examples(())), "have no answers, which models are asked to score"),
        ("answer-ranking", ["scores"], Dataset(examples(("a", "b"), ("a", "b"), ("a",))), "example '2' has 1 answers"),
    ],
)
def test_data_that_lacks_a_part_is_refused(
    tmp_path: Path, metric: str, asks: Sequence[OutputKind], data: Dataset, message: str
) -> None:
    card = Cards().task(str(own_card(tmp_path / "lacks.toml", "image-generator", [metric])))
    with pytest.raises(InputError, match=message):
        check_needs(card, data, asks)


def test_data_that_has_all_parts_is_read(tmp_path: Path) -> None:
    card = Cards().task(str(own_card(tmp_path / "whole.toml", "text-scorer", ["answer-ranking", "recall", "fid"])))
    check_needs(card, Dataset(examples(("a", "b"), ("a", "b")), references=(TARGET,)), ["scores"])
