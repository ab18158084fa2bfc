"""Dialogs about scenes, which say bit by bit what a picture shows, and the questions that VQA asks.

All random choices come from the `random.Random` of the caller.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from gill_bench.mini.grammar import double_scene, sequence
from gill_bench.mini.scene import BACKGROUNDS, COLOURS, SHAPES, Scene

ROUNDS = 10
_DOUBLES = 1 / 3
WAYS = {"{}": 1.0, "it is {}": 0.8, "{} i think": 0.6, "looks like {}": 0.4}
"""The wordings of an answer, each with the relevance that annotators give to it beside the plain answer."""

Round = tuple[str, str]
"""A question, without its question mark, and its answer."""

_HINTS = ("there is something on {background} .", "a {shape} somewhere .", "something {colour} .")


def hint(scene: Scene, rng: random.Random) -> str:
    """The caption of a dialog, which says one thing about a picture and leaves the rest to the rounds."""
    thing = scene.thing
    return rng.choice(_HINTS).format(background=scene.background, shape=thing.shape, colour=thing.colour)


def scene_of_dialog(rng: random.Random, split: str) -> Scene:
    """A scene for a dialog; every third has two things, of which the first is large, so that sizes tell them apart."""
    if rng.random() > _DOUBLES:
        return rng.choice(sequence(rng, split))
    while True:
        scene = double_scene(rng, split)
        if scene.thing.size == "large":
            return scene


def number_of_rounds(rng: random.Random) -> int:
    """A number of rounds for training; small numbers are more frequent, because long dialogs take longer to read."""
    return 1 + int(ROUNDS * rng.random() ** 1.5)


def dialog(scene: Scene, rng: random.Random, rounds: int = ROUNDS) -> list[Round]:
    """Different questions about a picture, in any order: the first rounds of a dialog of ten.

    A dialog of ten rounds has all of `open_questions`, so that it tells the whole scene, and is filled up with
    questions that are answered with yes or no, about equally often.
    """
    all_rounds = list(open_questions(scene))
    yes, no = ([item for item in closed_questions(scene) if item[1] == answer] for answer in ("yes", "no"))
    while len(all_rounds) < ROUNDS:
        kind = yes if yes and rng.random() < 0.5 else no
        all_rounds.append(kind.pop(rng.randrange(len(kind))))
    rng.shuffle(all_rounds)
    return all_rounds[:rounds]


def open_questions(scene: Scene) -> Iterator[Round]:
    """Questions whose answers together tell the whole scene; at most eight.

    Of two things, a question names the one that it means by its size, or by its shape where both are small.
    """
    yield "what is the background", scene.background
    yield "how many things are there", "one" if scene.other is None else "two"
    different = len({thing.size for thing in scene.things}) == len(scene.things)
    for thing in scene.things:
        name = "it" if scene.other is None else f"the {thing.size} one" if different else f"the {thing.shape}"
        yield f"what colour is {name}", thing.colour
        yield f"where is {name}", f"at the {thing.position}"
        if scene.other is None:
            yield f"how large is {name}", thing.size
        if scene.other is None or different:
            yield f"what shape is {name}", thing.shape
        else:
            yield f"how large is {name}", thing.size


def closed_questions(scene: Scene) -> Iterator[Round]:
    """All questions about a picture that are answered with yes or no."""
    for name in BACKGROUNDS:
        yield f"is it on {name}", _yes(name == scene.background)
    for colour in COLOURS:
        yield f"is there a {colour} thing", _yes(any(item.colour == colour for item in scene.things))
    for shape in SHAPES:
        yield f"is there a {shape}", _yes(any(item.shape == shape for item in scene.things))


def written(rounds: Sequence[Round], *, separator: str = "\n", period: str = "") -> str:
    """The text of a dialog as VisDial's tasks put it together.

    Args:
        rounds: The rounds.
        separator: Between rounds, and between question and answer: a line break, or a space for retrieval.
        period: After each answer: a period for retrieval.

    >>> written([("where is it", "at the top")])
    'Q: where is it?\\nA: at the top'
    """
    return separator.join(f"Q: {question}?{separator}A: {answer}{period}" for question, answer in rounds)


def _yes(true: bool) -> str:
    return "yes" if true else "no"
