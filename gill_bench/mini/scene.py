"""Scenes of the mini world: what a 32x32 picture shows, said exactly, and the picture of it."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw

SIDE = 32
_FINE = 8  # drawn this many times larger, then averaged: soft edges, the same on every machine

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


@dataclass(frozen=True, slots=True)
class Thing:
    """One object: a shape of a colour and a size at a position."""

    shape: str
    colour: str
    size: str
    position: str

    @property
    def name(self) -> str:
        """How captions call it, as in "large red circle"."""
        return f"{self.size} {self.colour} {self.shape}"


@dataclass(frozen=True, slots=True)
class Scene:
    """A background and one or two things; the second is drawn first."""

    background: str
    thing: Thing
    other: Thing | None = None

    def render(self) -> Image.Image:
        """The picture, RGB, 32x32."""
        picture = Image.new("RGB", (SIDE * _FINE, SIDE * _FINE), BACKGROUNDS[self.background])
        draw = ImageDraw.Draw(picture)
        for thing in (self.other, self.thing):
            if thing is not None:
                _draw(draw, thing, BACKGROUNDS[self.background])
        return picture.resize((SIDE, SIDE), Image.Resampling.BOX)


def _draw(draw: ImageDraw.ImageDraw, thing: Thing, background: tuple[int, int, int]) -> None:
    x, y = (value * _FINE for value in POSITIONS[thing.position])
    r = SIZES[thing.size] * _FINE
    colour = COLOURS[thing.colour]
    box = (x - r, y - r, x + r, y + r)
    if thing.shape == "circle":
        draw.ellipse(box, fill=colour)
    elif thing.shape == "square":
        draw.rectangle(box, fill=colour)
    elif thing.shape == "triangle":
        draw.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=colour)
    elif thing.shape == "diamond":
        draw.polygon([(x, y - r), (x + r, y), (x, y + r), (x - r, y)], fill=colour)
    elif thing.shape == "cross":
        arm = r // 3
        draw.rectangle((x - arm, y - r, x + arm, y + r), fill=colour)
        draw.rectangle((x - r, y - arm, x + r, y + arm), fill=colour)
    else:
        draw.ellipse(box, fill=colour)
        hole = r // 2
        draw.ellipse((x - hole, y - hole, x + hole, y + hole), fill=background)
