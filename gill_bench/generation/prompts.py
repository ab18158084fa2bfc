"""The prompt that a model is given for an example: its pictures are read and put between its texts."""

from __future__ import annotations

from typing import NamedTuple

from PIL import Image

from gill_bench.datasets import Example, Picture
from gill_bench.errors import GillBenchError
from gill_bench.planning.cells import Cell
from gill_bench.prompt import Prompt
from gill_bench.storage.images import load_image


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


def build_prompt(cell: Cell, example: Example) -> Prompt:
    """Read the pictures of an example's prompt and put them between its texts."""
    parts = cell.task.segments(example, cell.context)
    return Prompt(tuple(part if isinstance(part, str) else _load(part, cell.picture_size) for part in parts))


def _load(picture: Picture, size: int) -> Image.Image:
    if picture.file is None:
        raise GillBenchError(f"picture {picture.id} is not in the data folder")
    return load_image(picture.file, squash=size)
