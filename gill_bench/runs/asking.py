"""Doing one unit of work: prompts from examples, outputs from the model, checked and stored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from gill_bench.datasets import Example, Picture
from gill_bench.errors import GillBenchError
from gill_bench.images import load_image
from gill_bench.interfaces import Asks, GeneratedImage
from gill_bench.prompt import Prompt
from gill_bench.runs.plan import Cell
from gill_bench.runs.timing import time_images, time_search, time_texts
from gill_bench.runs.units import Output, Unit, write_unit

PICTURES_A_CALL, PROMPTS_A_CALL = 1, 16
"""Without `--batch-size`: prompts a call that generate pictures, each with all its seeds; and any other prompts."""


class Made(NamedTuple):
    """What came of a unit, not stored yet.

    Attributes:
        outputs: Per example and seed.
        details: Per example, what is noted with its samples.
        seconds: How long the model took.
    """

    outputs: list[list[Output]]
    details: list[dict[str, Any]]
    seconds: float


class Entry(NamedTuple):
    """An example that is asked, its place among the usable ones, and its prompt."""

    example: Example
    place: int
    prompt: Prompt


def ask(unit: Unit, cell: Cell, model: object, batch_size: int) -> Made:
    """Get a unit's outputs from a model.

    Args:
        unit: The unit.
        cell: Its cell.
        model: The loaded model.
        batch_size: Prompts a model call; 0 for the default.

    Raises:
        GillBenchError: The model returned something else than it was asked for.
        Exception: Whatever the model raised.
    """
    start = time.perf_counter()
    examples = [cell.asked[name][:2] for name, _ in unit.examples]
    outputs: list[list[Output]] = []
    if cell.asks in _TIMED:
        # All in one call: what is measured includes no reading of data, and the first calls warm up.
        entries = [Entry(example, place, build_prompt(cell, example)) for example, place in examples]
        outputs = [[Output(values=values)] for values in _TIMED[cell.asks](model, cell.task.card.prompt, entries)]
    else:
        size = batch_size or (PICTURES_A_CALL if cell.asks == "images" else PROMPTS_A_CALL)
        for first in range(0, len(examples), size):
            batch = [Entry(example, place, build_prompt(cell, example)) for example, place in examples[first:][:size]]
            outputs += _ASK[cell.asks](model, cell, batch, unit.seeds)
    details = [_details(cell, example) for example, _ in examples]
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
    if cell.asks == "candidates":
        return {}
    parts = cell.task.segments(example, cell.context)
    return {
        "cluster": example.cluster,
        "target": example.target.id if example.target else None,
        "prompt": [part if isinstance(part, str) else {"picture": part.id} for part in parts],
    }


def _ask_images(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    noise = [[cell.task.noise(seed, entry.example, entry.place) for seed in seeds] for entry in entries]
    found = model.generate_images([entry.prompt for entry in entries], noise)
    try:
        got, wanted = [len(pictures) for pictures in found], [len(ones) for ones in noise]
        others = [type(one).__name__ for pictures in found for one in pictures if not isinstance(one, GeneratedImage)]
    except TypeError as error:
        raise GillBenchError(
            f"{cell.model}: returned {type(found).__name__}, expected a list of lists of pictures"
        ) from error
    if got != wanted:
        raise GillBenchError(f"{cell.model}: returned {got} pictures per prompt, but {wanted} were asked for")
    if others:
        raise GillBenchError(f"{cell.model}: returned {others[0]}, expected gill_bench.interfaces.GeneratedImage")
    return [
        [Output(image=one.image, flagged=one.flagged, truncated=one.truncated) for one in pictures]
        for pictures in found
    ]


def _ask_embeddings(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.embed_prompts([entry.prompt for entry in entries])
    return _vectors(vectors, len(entries), cell.model, unit_length=True)


def _ask_candidates(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.embed_images([image for entry in entries for image in entry.prompt.images])
    return _vectors(vectors, len(entries), cell.model, unit_length=True)


def _ask_features(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.decision_features([entry.prompt for entry in entries])
    return _vectors(vectors, len(entries), cell.model, unit_length=False)


def _ask_texts(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    settings = cell.task.card.prompt
    stop = [part for part in [str(settings.get("stop", ""))] if part]
    texts = model.generate_texts([entry.prompt for entry in entries], int(settings["max_new_tokens"]), stop)
    if len(texts) != len(entries) or not all(isinstance(text, str) for text in texts):
        raise GillBenchError(f"{cell.model}: returned {len(texts)} outputs, expected {len(entries)} texts")
    return [[Output(values={"text": text})] for text in texts]


def _ask_scores(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    outputs = []
    for entry in entries:  # an example has so many options that it is a batch of its own
        options = entry.example.answers
        scores = [float(score) for score in model.score_texts([entry.prompt] * len(options), options)]
        if len(scores) != len(options) or not all(math.isfinite(score) for score in scores):
            raise GillBenchError(f"{cell.model}: expected {len(options)} finite log-likelihoods, found {scores[:4]}...")
        outputs.append([Output(values={"scores": scores})])
    return outputs


def _ask_decisions(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    found = model.decide([entry.prompt for entry in entries])
    if len(found) != len(entries) or not all(0 <= one.probability <= 1 for one in found):
        raise GillBenchError(f"{cell.model}: expected {len(entries)} decisions with probabilities, found {found[:2]}")
    return [[Output(values={"decision": one.label, "probability": float(one.probability)})] for one in found]


def _vectors(found: Any, count: int, model: str, *, unit_length: bool) -> list[list[Output]]:
    vectors: NDArray[np.float32] = np.asarray(found)
    if vectors.ndim != 2 or len(vectors) != count:
        raise GillBenchError(f"{model}: returned an array {vectors.shape}, expected ({count}, width)")
    if not np.isfinite(vectors).all():
        raise GillBenchError(f"{model}: returned vectors that are not finite; its weights are damaged")
    if unit_length and np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max() > _UNIT_LENGTH_TOLERANCE:
        raise GillBenchError(f"{model}: returned embeddings that are not L2-normalised")
    return [[Output(vector=vector)] for vector in vectors.astype(np.float32)]


_UNIT_LENGTH_TOLERANCE = 1e-2  # an adapter may normalise in bfloat16
_ASK: Mapping[Asks, Callable[[Any, Cell, Sequence[Entry], Sequence[int]], list[list[Output]]]] = {
    "images": _ask_images,
    "embeddings": _ask_embeddings,
    "candidates": _ask_candidates,
    "texts": _ask_texts,
    "scores": _ask_scores,
    "features": _ask_features,
    "decisions": _ask_decisions,
}
_TIMED: Mapping[Asks, Callable[[Any, Mapping[str, Any], Sequence[Entry]], list[dict[str, Any]]]] = {
    "text-seconds": time_texts,
    "image-seconds": time_images,
    "search-seconds": time_search,
}
