"""Texts about scenes: descriptions, captions, stories, questions, and the texts that a language model learns from.

The texts have few words and many sentence patterns. All random choices come from the `random.Random` of the caller.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import product

from gill_bench.mini.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES, Scene, Thing, split_of

STORY_LENGTH = 5


class Alternative(str):
    """A text in the place of a picture, like the alternative text of a picture on a web page."""

    __slots__ = ()


_FULL = (
    "a {name} at the {position} on {background} .",
    "a {name} is at the {position} on {background} .",
    "on {background} , a {name} at the {position} .",
    "there is a {name} on {background} at the {position} .",
)
_PARTIAL = (
    "a {name} on {background} .",
    "a {name} at the {position} .",
    "a {colour} {shape} on {background} .",
    "a {shape} at the {position} on {background} .",
    "a {colour} {shape} is at the {position} .",
    "it is at the {position} .",
)
_OPENINGS = (
    "a {name} is at the {position} .",
    "we saw a {name} at the {position} .",
    "look , a {name} at the {position} .",
)
_MOVES = (
    "it moves to the {position} .",
    "then it went to the {position} .",
    "now it is at the {position} .",
    "it likes the {position} .",
)


def describe(scene: Scene) -> str:
    """The full description of a picture, in fixed words.

    >>> describe(Scene("snow", Thing("circle", "red", "large", "top")))
    'a large red circle at the top on snow .'
    """
    things = " and ".join(f"a {thing.name} at the {thing.position}" for thing in scene.things)
    return f"{things} on {scene.background} ."


def alternative_text(scene: Scene) -> Alternative:
    """The full description of a picture, in few words, as an alternative text."""
    things = " ".join(f"{thing.name} {thing.position}" for thing in scene.things)
    return Alternative(f" {things} {scene.background}")


def caption(scene: Scene, rng: random.Random, full: float = 0.6) -> str:
    """A random caption of a scene: a full description with probability `full`, else one that omits something."""
    if rng.random() < full:
        if scene.other is not None:
            return describe(scene)
        return _fill(rng.choice(_FULL), scene)
    return _fill(rng.choice(_PARTIAL), scene)


def captions(scene: Scene, rng: random.Random, count: int) -> list[str]:
    """Different captions of one picture; like COCO's five captions, some are full and some omit something."""
    ways = [_fill(way, scene) for way in (*_FULL, *_PARTIAL[:-1])]
    if scene.other is not None:
        ways = [describe(scene), *ways]
    return rng.sample(list(dict.fromkeys(ways)), count)


def story(scenes: Sequence[Scene], rng: random.Random) -> list[str]:
    """A caption for each scene of a story, in which one thing moves; only the first caption names the thing.

    No caption names the background.
    """
    opening = _fill(rng.choice(_OPENINGS), scenes[0])
    return [opening, *(_fill(rng.choice(_MOVES), scene) for scene in scenes[1:])]


def sequence(rng: random.Random, split: str) -> tuple[Scene, ...]:
    """Five scenes of a split: one thing at five positions on one background."""
    while True:
        thing = (rng.choice(SHAPES), rng.choice(list(COLOURS)), rng.choice(list(SIZES)))
        background = rng.choice(list(BACKGROUNDS))
        positions = rng.sample(list(POSITIONS), STORY_LENGTH)
        scenes = tuple(Scene(background, Thing(*thing, position)) for position in positions)
        if split_of(scenes[0]) == split:
            return scenes


def single_scenes(split: str) -> list[Scene]:
    """All scenes of a split with one thing."""
    table = product(BACKGROUNDS, SHAPES, COLOURS, SIZES, POSITIONS)
    scenes = [Scene(background, Thing(*properties)) for background, *properties in table]
    return [scene for scene in scenes if split_of(scene) == split]


def double_scene(rng: random.Random, split: str) -> Scene:
    """A scene of a split with a second thing, of another shape and colour, at least two positions away."""
    scene = rng.choice(sequence(rng, split))
    x, y = POSITIONS[scene.thing.position]
    distant = [name for name, (left, top) in POSITIONS.items() if max(abs(left - x), abs(top - y)) > 8]
    while not distant:
        return double_scene(rng, split)
    shape = rng.choice([name for name in SHAPES if name != scene.thing.shape])
    colour = rng.choice([name for name in COLOURS if name != scene.thing.colour])
    return Scene(scene.background, scene.thing, Thing(shape, colour, "small", rng.choice(distant)))


def dialog(scene: Scene, rng: random.Random, rounds: int) -> list[tuple[str, str]]:
    """Different questions about a picture, without question marks, and their answers."""
    return rng.sample(list(questions(scene)), rounds)


def questions(scene: Scene) -> Iterator[tuple[str, str]]:
    """All questions that can be asked about a picture, with their answers; more than ten."""
    thing = scene.thing
    yield "what colour is the big one" if thing.size == "large" else "what colour is the first one", thing.colour
    yield "what shape is it", thing.shape
    yield f"where is the {thing.shape}", f"at the {thing.position}"
    yield "how large is it", thing.size
    yield "what is the background", scene.background
    yield "how many things are there", "one" if scene.other is None else "two"
    for name in BACKGROUNDS:
        yield f"is it on {name}", _yes(name == scene.background)
    for colour in COLOURS:
        yield f"is there a {colour} thing", _yes(any(item.colour == colour for item in scene.things))
    for shape in SHAPES:
        yield f"is there a {shape}", _yes(any(item.shape == shape for item in scene.things))


def document(rng: random.Random, split: str = "train") -> list[str]:
    """A text for the language model: a story, a caption or a dialog, in which alternative texts stand for pictures.

    Some stories have no alternative texts between their captions. Each story ends with the description of the last
    picture, which follows from everything before it.

    Returns:
        Segments that are tokenised one by one and then joined, as the segments of a prompt are.
    """
    kind = rng.random()
    if kind < 0.55:
        return _story_document(rng, split)
    scene = double_scene(rng, split) if rng.random() < 0.2 else rng.choice(sequence(rng, split))
    picture, text = alternative_text(scene), caption(scene, rng)
    if kind < 0.75:
        return rng.choice([[picture, text], [picture, text], [text]])
    if kind < 0.85:
        return [text, picture]
    lines = [f"Q: {question}?\nA: {answer}" for question, answer in dialog(scene, rng, rng.randint(1, 6))]
    before = [picture] if rng.random() < 0.6 else []
    after = [picture] if rng.random() < 0.5 else []
    return [*before, "\n".join(lines), *after]


def vocabulary_texts(seed: int) -> list[str]:
    """Texts that contain every word of the grammar, from which tokenizers learn their merges."""
    rng = random.Random(f"gill-bench mini words {seed}")  # noqa: S311 (a data set, not a secret)
    documents = [document(rng, split) for split in ("train", "val") for _ in range(1500)]
    return [segment for segments in documents for segment in segments]


def _story_document(rng: random.Random, split: str) -> list[str]:
    scenes = sequence(rng, split)
    texts = story(scenes, rng)
    first = 0 if rng.random() < 0.7 else rng.randrange(STORY_LENGTH)
    last = rng.choice([alternative_text(scenes[-1]), describe(scenes[-1])])
    if rng.random() < 0.35:
        return [" ".join(texts[first:]), last]
    begin = [part for step in range(first, STORY_LENGTH - 1) for part in (texts[step], alternative_text(scenes[step]))]
    return [*begin, texts[-1], last]


def _fill(way: str, scene: Scene) -> str:
    thing = scene.thing
    return way.format(
        name=thing.name,
        colour=thing.colour,
        shape=thing.shape,
        position=thing.position,
        background=scene.background,
    )


def _yes(true: bool) -> str:
    return "yes" if true else "no"
