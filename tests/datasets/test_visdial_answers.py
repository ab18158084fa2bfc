"""VisDial for ranking answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gill_bench.datasets.visdial_answers import context, load
from gill_bench.errors import InputError
from gill_bench.mini.writers import visdial as mini
from tests.support.small_data import DENSE, VISDIAL, edit, linked_folder, write_visdial


@pytest.fixture
def visdial(tmp_path: Path) -> Path:
    return write_visdial(tmp_path / "visdial")


def test_one_example_per_dialog_and_round(visdial: Path) -> None:
    examples = load(visdial, "val", {}).examples
    assert [example.id for example in examples] == [f"{image}:{n}" for image in (7, 123456) for n in range(1, 11)]
    assert [example.cluster for example in examples] == ["7"] * 10 + ["123456"] * 10
    assert examples[3].answers == tuple(f"no , {n}" for n in range(99, -1, -1))
    assert (examples[3].facts["round"], examples[3].facts["gt_index"]) == ("4", "93")
    assert examples[3].answers[int(examples[3].facts["gt_index"])] == "no , 6"


def test_the_prompt_is_exactly_as_specified(visdial: Path) -> None:
    examples = load(visdial, "val", {}).examples
    history = context("history")
    picture = examples[0].turns[0].picture
    assert history.segments(examples[0], {}) == (picture, "Q: is it 0?\nA: ")
    assert history.segments(examples[1], {}) == (picture, "Q: is it 0?\nA: no , 9\nQ: is it 1?\nA: ")
    text = history.segments(examples[9], {})[1]
    assert isinstance(text, str)
    assert text.count("\n") == 19
    assert text.endswith("Q: is it 8?\nA: no , 1\nQ: is it 9?\nA: ")
    worded = history.segments(examples[0], {"dialog_prompt": "Go on.\n{}"})
    assert worded == (picture, "Go on.\nQ: is it 0?\nA: ")
    assert history.asks == "scores"
    assert history.inputs == {"text", "image"}
    with pytest.raises(InputError, match="unknown context 'histroy'; did you mean 'history'"):
        context("histroy")


def test_every_round_of_a_dialog_knows_its_picture_and_which_round_is_annotated(visdial: Path) -> None:
    examples = load(visdial, "val", {}).examples
    assert all(example.pictures[0].file is not None for example in examples[:10])
    assert all(example.pictures[0].file is None for example in examples[10:])
    assert {example.facts["dense_round"] for example in examples[:10]} == {"3"}
    assert {example.facts["dense_round"] for example in examples[10:]} == {"10"}
    relevance = json.loads(examples[0].facts["relevance"])
    assert (len(relevance), relevance[89:93]) == (100, [0.0, 0.2, 1.0, 0])


def test_answer_options_are_shared_and_not_copied(visdial: Path) -> None:
    examples = load(visdial, "val", {}).examples
    assert all(
        option is same_option for option, same_option in zip(examples[0].answers, examples[15].answers, strict=True)
    )


def test_without_dense_annotations_options_have_no_relevance(visdial: Path) -> None:
    (visdial / DENSE).unlink()
    data = load(visdial, "val", {})
    assert {*data.examples[0].facts} == {"round", "gt_index"}
    assert data.warnings == (f"{visdial}: no {DENSE}, so that options have no relevance",)


WRONG: dict[str, tuple[str, Callable[[Any], object], str]] = {
    "99 options": (
        VISDIAL,
        lambda c: c["data"]["dialogs"][1]["dialog"][2]["answer_options"].pop(),
        r"dialogs\[1\].dialog\[2\].answer_options: 99 options, expected 100",
    ),
    "an option that is no place": (
        VISDIAL,
        lambda c: c["data"]["dialogs"][1]["dialog"][2]["answer_options"].__setitem__(4, 101),
        r"answer_options\[4\]: expected a position in data.answers \(0 to 100\), found 101",
    ),
    "no options": (
        VISDIAL,
        lambda c: c["data"]["dialogs"][1]["dialog"][2].pop("answer_options"),
        r"dialogs\[1\].dialog\[2\]: key 'answer_options': expected a list",
    ),
    "a true answer outside": (
        VISDIAL,
        lambda c: c["data"]["dialogs"][1]["dialog"][2].update(gt_index=100),
        r"dialog\[2\].gt_index: expected a position in answer_options \(0 to 99\), found 100",
    ),
    "no true answer": (
        VISDIAL,
        lambda c: c["data"]["dialogs"][1]["dialog"][2].pop("gt_index"),
        r"gt_index: expected a position in answer_options \(0 to 99\), found None",
    ),
    "fewer annotations": (DENSE, lambda c: c.pop(), "1 annotations, but there are 2 dialogs"),
    "another order": (DENSE, lambda c: c.reverse(), r"\[0\].image_id: 123456, but dialog 0 is of image 7"),
    "a round that is none": (DENSE, lambda c: c[1].update(round_id=0), r"\[1\].round_id: expected 1 to 10, found 0"),
    "a round that is text": (DENSE, lambda c: c[1].update(round_id="1"), r"\[1\].round_id: expected an integer"),
    "an annotation that is none": (DENSE, lambda c: c.__setitem__(1, 3), r"\[1\]: expected an object, found 3"),
    "no relevance": (DENSE, lambda c: c[1].pop("gt_relevance"), r"\[1\]: key 'gt_relevance': expected a list"),
    "relevance of 99": (DENSE, lambda c: c[1]["gt_relevance"].pop(), r"\[1\].gt_relevance: expected 100 numbers"),
    "no number": (DENSE, lambda c: c[1]["gt_relevance"].__setitem__(7, "1"), r"\[1\].gt_relevance: expected 100"),
    "not finite": (DENSE, lambda c: c[1]["gt_relevance"].__setitem__(7, float("nan")), r"\[1\].gt_relevance: expected"),
    "below 0": (DENSE, lambda c: c[1]["gt_relevance"].__setitem__(7, -0.1), r"\[1\].gt_relevance: expected 100"),
}


@pytest.mark.parametrize("name", WRONG)
def test_malformed_files_are_named_with_record_and_field(visdial: Path, name: str) -> None:
    file, change, message = WRONG[name]
    edit(visdial / file, change)
    with pytest.raises(InputError, match=message) as caught:
        load(visdial, "val", {})
    assert str(visdial / file) in str(caught.value)


def test_dense_annotations_that_are_no_list_are_refused(visdial: Path) -> None:
    (visdial / DENSE).write_text("{}")
    with pytest.raises(InputError, match="expected a JSON list at the top, found dict"):
        load(visdial, "val", {})


def test_the_published_slice_has_one_example_a_round_with_100_options(real_data: Path, tmp_path: Path) -> None:
    folder = linked_folder(real_data / "visdial", tmp_path / "visdial", ["VisualDialog_val2018_000000239030.jpg"])
    data = load(folder, "val", {})
    assert not data.warnings
    assert len(data.examples) == 970
    assert {len(example.answers) for example in data.examples} == {100}
    first = data.examples[0]
    assert (first.id, first.facts["gt_index"], first.facts["dense_round"]) == ("239030:1", "45", "6")
    assert first.answers[45] == "black and silver"
    assert json.loads(first.facts["relevance"])[54] == 1.0
    history = context("history").segments(data.examples[1], {})[1]
    assert history == "Q: what color is the tablet?\nA: black and silver\nQ: is it on a desk?\nA: "


def test_visdial_of_the_mini_world_has_dense_annotations(world: Path) -> None:
    data = load(world / "visdial", "val", {})
    assert len(data.examples) == 10 * mini.DIALOGS
    assert not data.warnings
    for example in data.examples:
        if example.facts["round"] == example.facts["dense_round"]:
            assert json.loads(example.facts["relevance"])[int(example.facts["gt_index"])] == 1.0
