"""The VQAv2 reader."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gill_bench.datasets import Picture
from gill_bench.datasets.vqa import context, load
from gill_bench.errors import InputError
from gill_bench.mini.writers import coco as mini
from tests.support.small_data import ANNOTATIONS, QUESTIONS, edit, linked_folder, touch, write_vqa


@pytest.fixture
def vqa(tmp_path: Path) -> Path:
    return write_vqa(tmp_path / "vqa")


def test_questions_in_the_order_of_their_file_with_the_answers_of_theirs(vqa: Path) -> None:
    examples = load(vqa, "val2014", {}).examples
    assert [(example.id, example.cluster) for example in examples] == [("70", "7"), ("71", "7"), ("420", "42")]
    assert examples[1].answers == tuple(f"how many {{}}? {number}" for number in range(1, 11))
    assert examples[1].facts == {"question_type": "how", "answer_type": "other"}
    assert examples[1].pictures == (Picture("7", vqa / "val2014" / "COCO_val2014_000000000007.jpg"),)
    assert examples[2].pictures == (Picture("42", None),)


def test_a_subtype_without_its_year_is_of_the_same_split(vqa: Path) -> None:
    before = load(vqa, "val2014", {})
    for file in (QUESTIONS, ANNOTATIONS):
        edit(vqa / file, lambda content: content.update(data_subtype="val"))
    assert load(vqa, "val2014", {}) == before
    for file in (QUESTIONS, ANNOTATIONS):
        edit(vqa / file, lambda content: content.update(data_subtype="val2014"))
        (vqa / file).rename(vqa / file.replace("val2014", "val"))
    (vqa / "val2014").rename(vqa / "images")
    touch(vqa, ["images/COCO_val_000000000007.jpg"])
    assert [example.id for example in load(vqa, "val", {}).examples] == ["70", "71", "420"]


@pytest.mark.parametrize("subtype", ["val2015", "test", "va", "", None, 2014])
def test_a_subtype_of_another_split_is_refused(vqa: Path, subtype: object) -> None:
    edit(vqa / ANNOTATIONS, lambda content: content.update(data_subtype=subtype))
    with pytest.raises(InputError, match=r"data_subtype: .*, expected 'val2014'"):
        load(vqa, "val2014", {})


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "Q: how many {}?\nA:"),
        ({"question_prompt": "dialog"}, "Q: how many {}?\nA:"),
        ({"question_prompt": "magma"}, "Q: how many {}? A:"),
        ({"question_prompt": "frozen"}, "Please answer the question. Question: how many {}? Answer:"),
        ({"question_prompt": "{} Answer with one word."}, "how many {}? Answer with one word."),
    ],
)
def test_prompts_of_questions_are_those_of_their_setting(vqa: Path, settings: dict[str, Any], text: str) -> None:
    example = load(vqa, "val2014", {}).examples[1]
    assert context("question").segments(example, settings) == (example.turns[0].picture, text)
    assert context("question").inputs == {"text", "image"}


def test_unknown_prompt_settings_are_refused(vqa: Path) -> None:
    example = load(vqa, "val2014", {}).examples[0]
    with pytest.raises(InputError, match="question_prompt = 'Dialog'; did you mean 'dialog'"):
        context("question").segments(example, {"question_prompt": "Dialog"})
    for wrong in ("Answer with one word.", "{} Or {}?", 3):
        with pytest.raises(InputError, match=r"question_prompt = .*one \{\}, which stands for the text of the data"):
            context("question").segments(example, {"question_prompt": wrong})
    with pytest.raises(InputError, match="unknown context 'questions'; did you mean 'question'"):
        context("questions")
    with pytest.raises(InputError, match=r"no v2_OpenEnded_mscoco_val2015_questions.json; there is val2014: choose"):
        load(vqa, "val2015", {})


@pytest.mark.parametrize("name", ["val2014/000000000007.png", "images/COCO_val2014_000000000007.jpg"])
@pytest.mark.parametrize("folder", [None, "train2017", "val2017"])
def test_pictures_of_both_editions_of_coco_are_found(vqa: Path, name: str, folder: str | None) -> None:
    shutil.rmtree(vqa / "val2014")
    touch(vqa, [f"{folder}/000000000007.jpg" if folder else name])
    assert all(example.pictures[0].file is not None for example in load(vqa, "val2014", {}).examples[:2])


def test_vqa_without_any_picture_is_refused(vqa: Path) -> None:
    shutil.rmtree(vqa / "val2014")
    with pytest.raises(InputError, match=r"looked in vqa/val2014/, .*, vqa/val2017/, coco/val2014/\nexpected"):
        load(vqa, "val2014", {})


def test_pictures_in_the_folder_of_coco_beside_it(vqa: Path) -> None:
    shutil.rmtree(vqa / "val2014")
    touch(vqa.parent / "coco", ["val2014/COCO_val2014_000000000007.jpg"])
    assert load(vqa, "val2014", {}).examples[0].pictures[0].file == (
        vqa.parent / "coco" / "val2014" / "COCO_val2014_000000000007.jpg"
    )


WRONG: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "no questions": (QUESTIONS, lambda c: c.pop("questions"), "key 'questions': expected a list"),
    "empty": (QUESTIONS, lambda c: c["questions"].clear(), "questions: the list is empty"),
    "annotations for questions": (QUESTIONS, lambda c: c.update(questions={}), "key 'questions': expected a list"),
    "another split": (
        ANNOTATIONS,
        lambda c: c.update(data_subtype="train2014"),
        "data_subtype: 'train2014', expected 'val2014'",
    ),
    "a question without annotation": (
        ANNOTATIONS,
        lambda c: c["annotations"].pop(),
        f"{QUESTIONS}: 1 without annotation: question_id 70; every question needs its annotation",
    ),
    "annotations without question": (
        QUESTIONS,
        lambda c: c["questions"].__delitem__(slice(1, 3)),
        f"{ANNOTATIONS}: 2 without question: question_id 71, 420; every annotation needs its question",
    ),
    "a question's id twice": (
        QUESTIONS,
        lambda c: c["questions"][1].update(question_id=70),
        r"questions\[1\].question_id: 70 is the id of an earlier record",
    ),
    "an annotation's id twice": (
        ANNOTATIONS,
        lambda c: c["annotations"].append(c["annotations"][0]),
        r"annotations\[3\].question_id: 420 is the id of an earlier record",
    ),
    "an id that is text": (
        QUESTIONS,
        lambda c: c["questions"][1].update(question_id="71"),
        r"questions\[1\].question_id: expected an integer, found '71'",
    ),
    "a question of blanks": (
        QUESTIONS,
        lambda c: c["questions"][1].update(question="\n"),
        r"questions\[1\].question: expected text",
    ),
    "another picture": (
        ANNOTATIONS,
        lambda c: c["annotations"][1].update(image_id=8),
        r"annotations\[1\].image_id: 8, but question 71 is about 7",
    ),
    "no answers": (
        ANNOTATIONS,
        lambda c: c["annotations"][1]["answers"].clear(),
        r"annotations\[1\].answers: the list",
    ),
    "answers that are texts": (
        ANNOTATIONS,
        lambda c: c["annotations"][1].update(answers=["yes"] * 10),
        r"annotations\[1\].answers\[0\]: expected an object, found 'yes'",
    ),
    "an answer's id twice": (
        ANNOTATIONS,
        lambda c: c["annotations"][1]["answers"][4].update(answer_id=2),
        r"annotations\[1\].answers\[4\].answer_id: 2 is the id of an earlier answer",
    ),
    "an answer that is a number": (
        ANNOTATIONS,
        lambda c: c["annotations"][1]["answers"][4].update(answer=2),
        r"annotations\[1\].answers\[4\].answer: expected text, found 2",
    ),
    "no kind of answer": (
        ANNOTATIONS,
        lambda c: c["annotations"][1].pop("answer_type"),
        r"annotations\[1\].answer_type: the field is missing",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_malformed_files_are_named_with_record_and_field(vqa: Path, name: str) -> None:
    file, change, message = WRONG[name]
    edit(vqa / file, change)
    with pytest.raises(InputError, match=message):
        load(vqa, "val2014", {})


def test_an_empty_answer_is_an_answer(vqa: Path) -> None:
    edit(vqa / ANNOTATIONS, lambda c: c["annotations"][2]["answers"][0].update(answer=""))
    assert load(vqa, "val2014", {}).examples[0].answers[0] == ""


def test_the_published_slices_of_vqa_are_read(real_data: Path, tmp_path: Path) -> None:
    folder = linked_folder(real_data / "vqav2" / "slice_with_images", tmp_path / "some", [])
    (folder / "train2017").symlink_to(real_data / "coco" / "train2017")
    examples = load(folder, "train2014", {}).examples
    assert len(examples) == 19
    assert all(picture.file is not None for example in examples for picture in example.pictures)
    assert examples[0].turns[0].text == "Are they celebrating a birthday?"
    assert examples[0].answers == ("yes",) * 10
    assert examples[0].facts == {"question_type": "are they", "answer_type": "yes/no"}
    many = linked_folder(real_data / "vqav2" / "slice_1000", tmp_path / "many", ["train2014/000000540769.jpg"])
    examples = load(many, "train2014", {}).examples
    assert Counter(example.facts["answer_type"] for example in examples) == {"other": 484, "yes/no": 387, "number": 129}
    assert {len(example.answers) for example in examples} == {10}
    assert len({example.cluster for example in examples}) == 991


def test_vqa_of_the_mini_world_is_complete(world: Path) -> None:
    examples = load(world / "vqav2", "val2014", {}).examples
    assert len(examples) == mini.QUESTIONS * mini.COUNTS["val"]
    assert all(picture.file is not None for example in examples for picture in example.pictures)
