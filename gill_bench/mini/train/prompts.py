"""Interleaved prompts on which heads are trained: stories, dialogs, questions and the prompt of the captioning task.

They are about scenes of the training split and have the tasks' forms, which the language model has learnt from
`gill_bench.mini.documents`. Each has a text that follows, which the captioning pass predicts, and a picture that it is
about, whose full description is the target of the generation pass.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

from gill_bench.mini.dialogs import dialog, number_of_rounds, scene_of_dialog, written
from gill_bench.mini.documents import CAPTION_PROMPT
from gill_bench.mini.grammar import STORY_LENGTH, caption, describe, sequence, story
from gill_bench.mini.scene import Scene
from gill_bench.mini.train.pool import pool
from gill_bench.mini.writers._files import write_picture
from gill_bench.storage.files import write_atomic

FILE = "stories.jsonl"
_TARGETS = "targets"
_DOUBLES = 0.25  # the share of scenes with two things, where a prompt is not a story

Segments = list[str | Scene]


def write_prompts(folder: Path, seed: int, count: int) -> dict[Path, str]:
    """Write `stories.jsonl` in the trainer's format, and the pictures of the scenes that it names.

    Returns:
        For each file of a target that the prompts name, the description whose vectors it must get.
    """
    scenes = pool("train", seed).scenes
    numbers = {scene: number for number, scene in enumerate(scenes)}
    doubles = [scene for scene in scenes if scene.other is not None]
    shown: set[Scene] = set()
    targets: dict[Path, str] = {}
    rng = random.Random(f"gill-bench mini packed stories {seed}")  # noqa: S311 (a data set, not a secret)
    lines = []
    for _ in range(count):
        kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
        segments, following, scene = kind(rng, doubles)
        record = {
            "segments": [
                item if isinstance(item, str) else {"image": f"scenes/{numbers[item]}.png"} for item in segments
            ],
            "target_caption": following,
            "target": f"{_TARGETS}/{numbers[scene]}.npy",
        }
        lines.append(json.dumps(record))
        shown.update(item for item in segments if isinstance(item, Scene))
        targets[folder / _TARGETS / f"{numbers[scene]}.npy"] = describe(scene)
    (folder / "scenes").mkdir()
    for scene in shown:
        write_picture(scene, folder / "scenes" / f"{numbers[scene]}.png")
    write_atomic(folder / FILE, ("\n".join(lines) + "\n").encode())
    return targets


def _story(rng: random.Random, _: list[Scene]) -> tuple[Segments, str, Scene]:
    """All captions of a story or only the last ones, in two of three cases with the pictures between them."""
    scenes = sequence(rng, "train")
    texts = story(scenes, rng)
    first = 0 if rng.random() < 0.75 else rng.randrange(1, STORY_LENGTH)
    segments: Segments = [" ".join(texts[first:])]
    if rng.random() < 0.66:
        shown = zip(texts[first:-1], scenes[first:-1], strict=True)
        segments = [*(part for pair in shown for part in pair), texts[-1]]
    return segments, describe(scenes[-1]), scenes[-1]


def _dialog(rng: random.Random, doubles: list[Scene]) -> tuple[Segments, str, Scene]:
    """Some rounds of a dialog, as VisDial's task of generation gives them."""
    scene = _dialog_scene(rng, doubles)
    return [written(dialog(scene, rng, number_of_rounds(rng)))], describe(scene), scene


def _question(rng: random.Random, doubles: list[Scene]) -> tuple[Segments, str, Scene]:
    """A picture and a question, as the task of VQA gives them."""
    scene = _scene(rng, doubles)
    [(question, answer)] = dialog(scene, rng, 1)
    return [scene, f"Q: {question}?\nA:"], f" {answer}", scene


def _answer(rng: random.Random, doubles: list[Scene]) -> tuple[Segments, str, Scene]:
    """A picture, rounds about it and a question, as the task of ranking answers gives them."""
    scene = _dialog_scene(rng, doubles)
    *history, (question, answer) = dialog(scene, rng, number_of_rounds(rng))
    return [scene, written([*history, (question, "")])], answer, scene


def _caption(rng: random.Random, doubles: list[Scene]) -> tuple[Segments, str, Scene]:
    """A picture and the prompt of the captioning task."""
    scene = _scene(rng, doubles)
    return [scene, CAPTION_PROMPT], f" {caption(scene, rng, full=1.0)}", scene


def _scene(rng: random.Random, doubles: list[Scene]) -> Scene:
    return rng.choice(doubles) if rng.random() < _DOUBLES else rng.choice(sequence(rng, "train"))


def _dialog_scene(rng: random.Random, doubles: list[Scene]) -> Scene:
    """A scene for a dialog, of the scenes whose pictures are written; see `scene_of_dialog`."""
    scene = scene_of_dialog(rng, "train")
    if scene.other is None:
        return scene
    return rng.choice([item for item in doubles if item.thing.size == scene.thing.size])


_KINDS: dict[Callable[[random.Random, list[Scene]], tuple[Segments, str, Scene]], float] = {
    _story: 0.40,
    _dialog: 0.22,
    _question: 0.16,
    _answer: 0.10,
    _caption: 0.12,
}
"""The kinds of prompts, and the share of each."""
