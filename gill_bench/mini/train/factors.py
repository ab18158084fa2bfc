"""The factors of a scene as numbers, for networks that learn to name them."""

from __future__ import annotations

from gill_bench.mini.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES, Scene

FACTORS = tuple(tuple(names) for names in (BACKGROUNDS, SHAPES, COLOURS, SIZES, POSITIONS))
"""The values of each factor: background, and the first thing's shape, colour, size and position."""


def factors_of(scene: Scene) -> list[int]:
    """The number of each factor's value, in the order of `FACTORS`.

    >>> from gill_bench.mini.scene import Thing
    >>> factors_of(Scene("night", Thing("circle", "blue", "large", "top left")))
    [1, 0, 2, 1, 0]
    """
    thing = scene.thing
    values = (scene.background, thing.shape, thing.colour, thing.size, thing.position)
    return [names.index(value) for names, value in zip(FACTORS, values, strict=True)]
