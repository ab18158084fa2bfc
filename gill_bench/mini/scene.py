"""Scenes of the mini world: exact descriptions of pictures of 32x32 pixels, and the drawing of these pictures."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

from PIL import Image, ImageDraw

SIDE = 32
_FINE = 8  # pictures are drawn so many times larger and then averaged: edges are soft, and equal on every machine

SHAPES = ("circle", "square", "triangle", "cross", "diamond", "ring")
COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (50, 80, 220),
    "yellow": (240, 210, 50),
    "purple": (150, 60, 180),
    "orange": (245, 140, 30),
    "pink": (250, 150, 190),
    "brown": (130, 85, 50),
}
BACKGROUNDS = {
    "snow": (245, 245, 250),
    "night": (20, 20, 50),
    "sand": (225, 200, 150),
    "grass": (150, 205, 130),
    "sky": (160, 205, 240),
    "stone": (140, 140, 140),
}
POSITIONS = {
    "top left": (8, 8),
    "top": (16, 8),
    "top right": (24, 8),
    "left": (8, 16),
    "middle": (16, 16),
    "right": (24, 16),
    "bottom left": (8, 24),
    "bottom": (16, 24),
    "bottom right": (24, 24),
}
SIZES = {"small": 4, "large": 7}
SPLITS = {"train": 0.80, "val": 0.10, "test": 0.10}
"""The share of the kinds of scenes in each split."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: a shape of a colour and a size at a position."""

    shape: str
    colour: str
    size: str
    position: str

    @property
    def name(self) -> str:
        """The thing's name in captions, such as "large red circle"."""
        return f"{self.size} {self.colour} {self.shape}"


@dataclass(frozen=True, slots=True)
class Scene:
    """A background with one thing or two; captions begin with `thing`, which is drawn over `other`."""

    background: str
    thing: Thing
    other: Thing | None = None

    @property
    def kind(self) -> str:
        """The first thing and the background, which stay the same through a story."""
        return f"{self.thing.name} on {self.background}"

    @property
    def things(self) -> tuple[Thing, ...]:
        """The scene's one or two things, in the order in which captions name them."""
        return (self.thing,) if self.other is None else (self.thing, self.other)

    def render(self) -> Image.Image:
        """The picture, RGB, 32x32."""
        picture = _background(self.background).copy()
        for thing in reversed(self.things):
            picture.paste(COLOURS[thing.colour], mask=_mask(thing.shape, thing.size, thing.position))
        return picture.resize((SIDE, SIDE), Image.Resampling.BOX)


def render_background(name: str) -> Image.Image:
    """The picture of a background without things, RGB, 32x32."""
    return _background(name).resize((SIDE, SIDE), Image.Resampling.BOX)


def split_of(scene: Scene) -> str:
    """The split of a scene, which depends on its kind alone: no kind is in two splits, and no story spans two splits.

    >>> split_of(Scene("snow", Thing("circle", "red", "large", "top")))
    'train'
    """
    position = int.from_bytes(hashlib.sha256(scene.kind.encode()).digest()[:6]) / 2**48
    for split, share in SPLITS.items():
        if position < share:
            return split
        position -= share
    return "test"


@cache
def _background(name: str) -> Image.Image:
    """A background with its own texture, so that backgrounds differ in more than their mean colours."""
    side = SIDE * _FINE
    picture = Image.new("RGB", (side, side), BACKGROUNDS[name])
    draw = ImageDraw.Draw(picture)
    unit = 2 * _FINE
    for row in range(0, side, unit):
        shift = (row // unit % 2) * 2 * unit
        if name == "sand":
            draw.rectangle((0, row, side, row + unit // 2 - 1), fill=(200, 165, 105))
        if name == "stone" and row % (2 * unit) == 0:
            draw.rectangle((0, row, side, row + unit // 2 - 1), fill=(95, 95, 95))
        for column in range(-side, side, 4 * unit):
            x, y = column + shift, row
            if name == "snow":
                draw.ellipse((x, y, x + unit, y + unit), fill=(200, 215, 240))
            elif name == "night" and row % (3 * unit) == 0:
                draw.ellipse((x, y, x + unit - 4, y + unit - 4), fill=(230, 230, 160))
            elif name == "grass":
                draw.rectangle((x, y, x + unit // 2, y + unit), fill=(90, 165, 75))
            elif name == "sky" and row % (4 * unit) == 0:
                x += (row // (4 * unit) % 2) * 2 * unit
                draw.ellipse((x, y + 4, x + 3 * unit, y + 2 * unit), fill=(250, 250, 255))
            elif name == "stone" and row % (2 * unit) == 0:
                x = column + (row // (2 * unit) % 2) * 2 * unit
                draw.rectangle((x, y, x + unit // 2 - 1, y + 2 * unit), fill=(95, 95, 95))
    return picture


@cache
def _mask(shape: str, size: str, position: str) -> Image.Image:
    x, y = (value * _FINE for value in POSITIONS[position])
    r = SIZES[size] * _FINE
    box = (x - r, y - r, x + r, y + r)
    mask = Image.new("L", (SIDE * _FINE, SIDE * _FINE), 0)
    draw = ImageDraw.Draw(mask)
    if shape == "circle":
        draw.ellipse(box, fill=255)
    elif shape == "square":
        draw.rectangle(box, fill=255)
    elif shape == "triangle":
        draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=255)
    elif shape == "diamond":
        draw.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=255)
    elif shape == "cross":
        arm = r // 3
        draw.rectangle((x - arm, y - r, x + arm, y + r), fill=255)
        draw.rectangle((x - r, y - arm, x + r, y + arm), fill=255)
    else:
        draw.ellipse(box, fill=255)
        hole = r // 2
        draw.ellipse((x - hole, y - hole, x + hole, y + hole), fill=0)
    return mask
