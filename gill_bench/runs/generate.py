"""Doing one unit of work: prompts from examples, outputs from the model, checked and stored."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL.Image import Image

from gill_bench.datasets import Example, Picture
from gill_bench.errors import GillBenchError
from gill_bench.images import load_image
from gill_bench.interfaces import GeneratedImage, ImageGenerator, Noise
from gill_bench.prompt import Prompt
from gill_bench.runs.plan import Cell
from gill_bench.runs.units import Unit, write_unit


class Made(NamedTuple):
    """What came of a unit, not stored yet.

    Attributes:
        outputs: Per example and seed.
        details: Per example, what is noted with its samples.
        seconds: How long the model took.
    """

    outputs: list[list[GeneratedImage]]
    details: list[dict[str, Any]]
    seconds: float


def generate(unit: Unit, cell: Cell, model: ImageGenerator, batch_size: int) -> Made:
    """Generate a unit's pictures.

    Args:
        unit: The unit.
        cell: Its cell.
        model: The loaded model.
        batch_size: Prompts a model call; each with all its seeds.

    Raises:
        GillBenchError: The model returned something else than it was asked for.
        Exception: Whatever the model raised.
    """
    start = time.perf_counter()
    entries = [cell.asked[name] for name, _ in unit.examples]
    outputs: list[list[GeneratedImage]] = []
    for first in range(0, len(entries), batch_size):
        batch = entries[first : first + batch_size]
        prompts = [build_prompt(cell, example) for example, _, _ in batch]
        noise = [[cell.task.noise(seed, example, place) for seed in unit.seeds] for example, place, _ in batch]
        found = model.generate_images(prompts, noise)
        _check_outputs(found, noise, cell.model)
        outputs += found
    details = [_details(cell, example) for example, _, _ in entries]
    return Made(outputs, details, round(time.perf_counter() - start, 3))


def store(unit: Unit, cell: Cell, made: Made, run: Path, how: Mapping[str, Any]) -> None:
    """Store what came of a unit; `how` is recorded beside the seconds that it took."""
    folder = cell.folder(run) / unit.key
    write_unit(folder, unit, made.outputs, made.details, {**how, "seconds": made.seconds})


def build_prompt(cell: Cell, example: Example) -> Prompt:
    """Read the pictures of an example's prompt and put them between its texts."""
    size = int(cell.task.card.prompt.get("picture_size", 0))
    parts = cell.task.segments(example, cell.context)
    return Prompt(tuple(part if isinstance(part, str) else _load(part, size) for part in parts))


def _load(picture: Picture, size: int) -> Image:
    if picture.file is None:
        raise GillBenchError(f"picture {picture.id} is not in the data folder")
    return load_image(picture.file, squash=size)


def _details(cell: Cell, example: Example) -> dict[str, Any]:
    parts = cell.task.segments(example, cell.context)
    return {
        "cluster": example.cluster,
        "target": example.target.id if example.target else None,
        "prompt": [part if isinstance(part, str) else {"picture": part.id} for part in parts],
    }


def _check_outputs(found: Sequence[Sequence[GeneratedImage]], noise: Sequence[Sequence[Noise]], model: str) -> None:
    try:
        got, wanted = [len(pictures) for pictures in found], [len(seeds) for seeds in noise]
        others = [type(one).__name__ for pictures in found for one in pictures if not isinstance(one, GeneratedImage)]
    except TypeError as error:
        raise GillBenchError(
            f"{model}: returned {type(found).__name__}, expected a list of lists of pictures"
        ) from error
    if got != wanted:
        raise GillBenchError(f"{model}: returned {got} pictures per prompt, but {wanted} were asked for")
    if others:
        raise GillBenchError(f"{model}: returned {others[0]}, expected gill_bench.interfaces.GeneratedImage")
