"""The prompts that a model is given for examples: their pictures are read and put between their texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image

from gill_bench.datasets import Example, Picture
from gill_bench.errors import GillBenchError
from gill_bench.planning.cells import Cell
from gill_bench.prompt import Prompt
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead

GREY = (128, 128, 128)
"""The colour of a blank picture."""


class ExamplePrompt(NamedTuple):
    """An example with its prompt.

    Attributes:
        example: The example.
        position: The number of usable examples of the cell before this one.
        prompt: The prompt.
    """

    example: Example
    position: int
    prompt: Prompt


def build_prompts(cell: Cell, examples: Sequence[tuple[Example, int]]) -> list[ExamplePrompt]:
    """Read the pictures of examples' prompts, each once and several at a time, and put them between the texts.

    Args:
        cell: The cell that the examples belong to.
        examples: Each example with its position (`ExamplePrompt`).

    Raises:
        GillBenchError: A picture is missing or cannot be read.
    """
    all_parts = [cell.task.segments(example, cell.context) for example, _ in examples]
    pictures = dict.fromkeys(part for parts in all_parts for part in parts if not isinstance(part, str))
    images = dict(zip(pictures, read_ahead(lambda picture: _load(picture, cell.picture_size), pictures), strict=True))
    return [
        ExamplePrompt(
            example, position, Prompt(tuple(part if isinstance(part, str) else images[part] for part in parts))
        )
        for (example, position), parts in zip(examples, all_parts, strict=True)
    ]


def prompt_of(segments: Sequence[str | Picture], size: int) -> Prompt:
    """A prompt of segments, whose pictures are read and resized to `size` pixels each way; 0 leaves them as they are.

    Raises:
        GillBenchError: A picture is missing or cannot be read.
    """
    return Prompt(tuple(part if isinstance(part, str) else _load(part, size) for part in segments))


def _load(picture: Picture, size: int) -> Image.Image:
    if picture.file is None:
        raise GillBenchError(f"picture {picture.id} is not in the data folder")
    image = load_image(picture.file, squash=size)
    return Image.new("RGB", image.size, GREY) if picture.blank else image
