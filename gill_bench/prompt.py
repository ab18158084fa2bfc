"""The prompt of a model: an interleaved sequence of text and pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    Segment = str | Image


@dataclass(frozen=True, slots=True)
class Prompt:
    """An interleaved sequence of text and pictures, in reading order.

    Attributes:
        segments: The parts, each a `str` or a `PIL.Image.Image` (RGB). No separator stands between neighbouring parts:
            a model that needs one gets it from the task (protocol 1.11).
    """

    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        if not self.segments:
            raise ValueError("a prompt needs at least one segment")

    @property
    def texts(self) -> tuple[str, ...]:
        """The text segments, in order."""
        return tuple(segment for segment in self.segments if isinstance(segment, str))

    @property
    def images(self) -> tuple[Image, ...]:
        """The pictures, in order."""
        return tuple(segment for segment in self.segments if not isinstance(segment, str))

    @property
    def text(self) -> str:
        """All text segments, joined by one space, as a text-only model reads them.

        >>> Prompt(("a dog .", "it runs .")).text
        'a dog . it runs .'
        """
        return " ".join(self.texts)
