"""Texts about scenes: descriptions, captions and stories; and scenes of a split.

The texts have few words and many sentence patterns. All random choices come from the `random.Random` of the caller.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

from gill_bench.mini.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES, Scene, Thing, split_of

STORY_LENGTH = 5


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


def _fill(way: str, scene: Scene) -> str:
    thing = scene.thing
    return way.format(
        name=thing.name,
        colour=thing.colour,
        shape=thing.shape,
        position=thing.position,
        background=scene.background,
    )
