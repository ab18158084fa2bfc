"""Dialogs: every question once, true answers, and a dialog of ten rounds tells the whole scene."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from gill_bench.mini.dialogs import ROUNDS, closed_questions, dialog, hint, open_questions, written
from gill_bench.mini.grammar import double_scene, sequence
from gill_bench.mini.scene import BACKGROUNDS, COLOURS, SHAPES

seeds = st.integers(0, 10**6)


@given(seeds, st.booleans())
def test_ten_rounds_tell_the_whole_scene(seed: int, double: bool) -> None:
    rng = random.Random(seed)
    scene = double_scene(rng, "train") if double else sequence(rng, "train")[0]
    rounds = dialog(scene, rng)
    assert len(dict(rounds)) == len(rounds) == ROUNDS
    assert set(open_questions(scene)) <= set(rounds) <= {*open_questions(scene), *closed_questions(scene)}
    said = written(rounds)
    for thing in scene.things:
        assert all(word in said for word in (thing.colour, thing.shape, thing.size, f"at the {thing.position}"))
    assert dict(rounds)["what is the background"] == scene.background
    assert dict(rounds)["how many things are there"] == ("two" if double else "one")


def test_a_few_rounds_leave_open_what_later_ones_say() -> None:
    rng = random.Random(5)
    scenes = [sequence(rng, "val")[0] for _ in range(200)]
    open_rounds = [
        sum(item in set(open_questions(scene)) for item in dialog(scene, rng, count))
        for count in (1, 5)
        for scene in scenes
    ]
    first, fifth = sum(open_rounds[:200]) / 200, sum(open_rounds[200:]) / 200
    assert 0.4 < first < 0.8
    assert 2.5 < fifth < 3.5, "half of the six"


@given(seeds)
def test_closed_questions_are_answered_truly(seed: int) -> None:
    scene = double_scene(random.Random(seed), "train")
    answers = dict(closed_questions(scene))
    assert len(answers) == len(BACKGROUNDS) + len(COLOURS) + len(SHAPES)
    yes = {question.split()[-1 if " on " in question else 3] for question, answer in answers.items() if answer == "yes"}
    assert yes == {scene.background, *(word for item in scene.things for word in (item.colour, item.shape))}


def test_yes_and_no_are_about_equally_frequent() -> None:
    rng = random.Random(2)
    answers = Counter(answer for _ in range(300) for _, answer in dialog(sequence(rng, "test")[0], rng))
    assert 0.35 < answers["yes"] / (answers["yes"] + answers["no"]) < 0.65


def test_of_two_things_a_question_names_the_one_it_means() -> None:
    rng = random.Random(1)
    for _ in range(50):
        scene = double_scene(rng, "test")
        colour_questions = [question for question, _ in open_questions(scene) if question.startswith("what colour")]
        names = {"large", "small"} if scene.thing.size == "large" else {item.shape for item in scene.things}
        assert {name for name in names for question in colour_questions if f"the {name}" in question} == names
        assert len(colour_questions) == 2


def test_a_hint_says_one_thing() -> None:
    rng = random.Random(0)
    for _ in range(50):
        scene = sequence(rng, "test")[0]
        said = set(hint(scene, rng).split()) & {scene.background, scene.thing.shape, scene.thing.colour}
        assert len(said) == 1


def test_dialogs_are_written_as_the_tasks_read_them() -> None:
    rounds = [("is it on snow", "no"), ("where is it", "at the top")]
    assert written(rounds) == "Q: is it on snow?\nA: no\nQ: where is it?\nA: at the top"
    assert written(rounds, separator=" ", period=".") == "Q: is it on snow? A: no. Q: where is it? A: at the top."
