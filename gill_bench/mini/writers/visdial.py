"""VisDial v1.0: dialogs of ten rounds with 100 answer options, and dense relevance (protocol 3.2, 3.6)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from gill_bench.mini.dialogs import ROUNDS, WAYS, dialog, hint, scene_of_dialog
from gill_bench.mini.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES
from gill_bench.mini.writers._files import rng_of, write_json, write_picture

DIALOGS = 48
OPTIONS = 100


def write_visdial(folder: Path, seed: int) -> None:
    """Write dialogs about scenes of the world's test split as VisDial's val, on which tasks are evaluated.

    The folder gets `visdial_1.0_val.json`, its dense annotations and `VisualDialog_val2018`.
    """
    rng = rng_of("visdial", seed)
    pictures = folder / "VisualDialog_val2018"
    pictures.mkdir(parents=True)
    answers = answer_pool()
    questions: dict[str, int] = {}
    dialogs: list[dict[str, object]] = []
    dense: list[dict[str, object]] = []
    for number in range(DIALOGS):
        image = 9000 + 11 * number
        scene = scene_of_dialog(rng, "test")
        write_picture(scene, pictures / f"VisualDialog_val2018_{image:012d}.jpg")
        rounds = dialog(scene, rng)
        records = [_round(rng, question, answer, answers, questions) for question, answer in rounds]
        dialogs.append({"image_id": image, "caption": hint(scene, rng), "dialog": records})
        annotated = rng.randrange(ROUNDS)
        options = [answers[index] for index in cast("list[int]", records[annotated]["answer_options"])]
        relevance = [_relevance(option, rounds[annotated][1]) for option in options]
        dense.append({"image_id": image, "round_id": annotated + 1, "gt_relevance": relevance})
    data = {"questions": list(questions), "answers": answers, "dialogs": dialogs}
    write_json(folder / "visdial_1.0_val.json", {"version": "1.0", "split": "val2018", "data": data})
    write_json(folder / "visdial_1.0_val_dense_annotations.json", dense)


def answer_pool() -> list[str]:
    """All answers to all questions, each in several wordings; more than 100."""
    positions = [f"at the {position}" for position in POSITIONS]
    plain = [*COLOURS, *SHAPES, *SIZES, *BACKGROUNDS, *positions, "one", "two", "yes", "no"]
    return [way.format(answer) for way in WAYS for answer in plain]


def _round(
    rng: random.Random, question: str, answer: str, answers: Sequence[str], questions: dict[str, int]
) -> dict[str, object]:
    true = answers.index(answer)
    right = [answers.index(way.format(answer)) for way in WAYS]
    wrong = [index for index in range(len(answers)) if index not in right]
    options = right + rng.sample(wrong, OPTIONS - len(right))
    rng.shuffle(options)
    return {
        "question": questions.setdefault(question, len(questions)),
        "answer": true,
        "answer_options": options,
        "gt_index": options.index(true),
    }


def _relevance(option: str, answer: str) -> float:
    return next((value for way, value in WAYS.items() if way.format(answer) == option), 0.0)
