"""VisDial for retrieval."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.datasets.visdial_retrieval import context, load
from gill_bench.errors import InputError
from gill_bench.mini.writers import visdial as mini
from tests.support.small_data import linked_folder, write_visdial


def test_the_prompt_is_exactly_as_specified(tmp_path: Path) -> None:
    example = load(write_visdial(tmp_path), "val", {}).examples[0]
    assert context("2-rounds").segments(example, {}) == ("Q: is it 0? A: no , 9. Q: is it 1? A: no , 8.",)
    assert context("1-round").name == context("1-rounds").name == "1-round"
    assert {context(f"{n}-rounds").asks for n in range(1, 11)} == {"embeddings"}
    with pytest.raises(InputError, match=r"n from 1 to 10; did you mean '10-rounds'"):
        context("10-rouns")


def test_candidates_are_the_pictures_of_all_dialogs(tmp_path: Path) -> None:
    data = load(write_visdial(tmp_path), "val", {})
    assert list(data.candidates) == [example.target for example in data.examples]
    assert [picture.id for picture in data.candidates] == [
        "VisualDialog_val2018_000000000007",
        "VisualDialog_val2018_000000123456",
    ]
    assert [picture.file is not None for picture in data.candidates] == [True, False]


def test_the_published_slice_has_one_candidate_a_dialog(real_data: Path, tmp_path: Path) -> None:
    folder = linked_folder(real_data / "visdial", tmp_path / "visdial", ["VisualDialog_val2018_000000239030.jpg"])
    data = load(folder, "val", {})
    assert len(data.examples) == len(data.candidates) == 97
    (prompt,) = context("2-rounds").segments(data.examples[0], {})
    assert prompt == "Q: what color is the tablet? A: black and silver. Q: is it on a desk? A: no."


def test_visdial_of_the_mini_world_has_all_its_candidates(world: Path) -> None:
    data = load(world / "visdial", "val", {})
    assert len(data.candidates) == mini.DIALOGS
    assert all(picture.file is not None for picture in data.candidates)
