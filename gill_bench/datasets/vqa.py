"""VQAv2: questions about COCO's pictures, each with the answers of ten annotators (protocol 3.9, paper Table 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from sys import intern
from typing import Any

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.contexts import QUESTION_PROMPT, QuestionContext, context_named
from gill_bench.datasets.files import find_split_file, integer_of, list_of, shown, text_of
from gill_bench.datasets.pictures import index_pictures, no_pictures
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json

PROMPT = (QUESTION_PROMPT,)
_FACTS = ("question_type", "answer_type")


def context(name: str) -> QuestionContext:
    """The context `question`."""
    return context_named(name, [QuestionContext()])


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the questions of a split, in the order of their file, with the annotators' answers in the order of theirs.

    Args:
        folder: The folder with `v2_OpenEnded_mscoco_<split>_questions.json`, `v2_mscoco_<split>_annotations.json`, and
            the pictures as `COCO_<split>_<id, 12 digits>.jpg` or, as in COCO's edition of 2017, `<id, 12 digits>.jpg`
            (or another extension) in `<split>/`, `images/`, `train2017/`, `val2017/`, or in the folder of COCO beside
            the folder, `../coco/<split>/`.
        split: "val2014" or "train2014".
        options: Not used.

    Returns:
        The data set; the facts of an example are `question_type` and `answer_type`.

    Raises:
        InputError: A file is absent, malformed or of another split; a question has no annotation or an annotation no
            question; there are no pictures at all.
    """
    files = [
        find_split_file(folder, split, pattern, (".",), "download the questions and annotations of VQA v2.0")
        for pattern in ("v2_OpenEnded_mscoco_{split}_questions.json", "v2_mscoco_{split}_annotations.json")
    ]
    questions, annotations = (
        _by_id(file, key, split) for file, key in zip(files, ("questions", "annotations"), strict=True)
    )
    _refuse_unmatched(files[0], questions.keys() - annotations.keys(), "question", "annotation")
    _refuse_unmatched(files[1], annotations.keys() - questions.keys(), "annotation", "question")
    folders = [*(folder / name for name in (split, "images", "train2017", "val2017")), folder.parent / "coco" / split]
    files_by_name = index_pictures(folders)
    examples = []
    for number, (where, question) in questions.items():
        image = integer_of(question, "image_id", where)
        annotation_where, annotation = annotations[number]
        if integer_of(annotation, "image_id", annotation_where) != image:
            raise InputError(
                f"{annotation_where}.image_id: {annotation['image_id']}, but question {number} is about {image}"
            )
        file = files_by_name.get(f"COCO_{split}_{image:012d}") or files_by_name.get(f"{image:012d}")
        turn = Turn(text_of(question, "question", where), Picture(str(image), file))
        facts = {key: text_of(annotation, key, annotation_where) for key in _FACTS}
        examples.append(
            Example(str(number), str(image), (turn,), answers=_answers(annotation, annotation_where), facts=facts)
        )
    if not any(turn.picture and turn.picture.file for example in examples for turn in example.turns):
        raise no_pictures(folder, split, folders, f"COCO_{split}_<id, 12 digits>.jpg or <id, 12 digits>.jpg")
    return Dataset(examples)


def _by_id(file: Path, key: str, split: str) -> dict[int, tuple[str, Any]]:
    """Records by question id, each with file and position for errors."""
    content = read_json(file)
    subtype = content.get("data_subtype", split)
    if not _is_split(subtype, split):
        raise InputError(f"{file}: data_subtype: {shown(subtype)}, expected {split!r} as in the file's name")
    records: dict[int, tuple[str, Any]] = {}
    for number, record in enumerate(list_of(content, key, str(file))):
        where = f"{file}: {key}[{number}]"
        question = integer_of(record, "question_id", where)
        if question in records:
            raise InputError(f"{where}.question_id: {question} is the id of an earlier record; question ids are unique")
        records[question] = where, record
    if not records:
        raise InputError(f"{file}: {key}: the list is empty")
    return records


def _is_split(subtype: object, split: str) -> bool:
    """Whether a file's `data_subtype` names a split; some files have "val" for "val2014", or the other way round."""
    without_year = split.rstrip("0123456789")
    return subtype in (split, without_year) or (without_year == split and str(subtype).rstrip("0123456789") == split)


def _refuse_unmatched(file: Path, ids: Iterable[int], noun: str, partner: str) -> None:
    unmatched = sorted(ids)
    if unmatched:
        some = ", ".join(map(str, unmatched[:3])) + (", ..." if len(unmatched) > 3 else "")
        raise InputError(
            f"{file}: {len(unmatched)} without {partner}: question_id {some}; every {noun} needs its {partner}"
        )


def _answers(annotation: Any, where: str) -> tuple[str, ...]:
    """Read the answers. Equal records are an error, because the official evaluator would leave all of them out."""
    seen: set[int] = set()
    answers = []
    for number, answer in enumerate(list_of(annotation, "answers", where)):
        answer_where = f"{where}.answers[{number}]"
        name = integer_of(answer, "answer_id", answer_where)
        if name in seen:
            raise InputError(
                f"{answer_where}.answer_id: {name} is the id of an earlier answer; a question has distinct answer ids"
            )
        seen.add(name)
        # Most answers occur thousands of times, so equal texts are held in memory once.
        answers.append(intern(text_of(answer, "answer", answer_where, may_be_blank=True)))
    if not answers:
        raise InputError(f"{where}.answers: the list is empty")
    return tuple(answers)
