"""Doing one unit of work: prompts from examples, outputs from the model, checked and stored."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gill_bench.datasets import Example, Picture
from gill_bench.datasets.files import is_encodable
from gill_bench.errors import GillBenchError
from gill_bench.images import load_image
from gill_bench.interfaces import Asks, Decision, GeneratedImage
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


def ask(unit: Unit, cell: Cell, model: object, batch_size: int, device: str) -> Made:
    """Get a unit's outputs from a model.

    Args:
        unit: The unit.
        cell: Its cell.
        model: The loaded model.
        batch_size: Prompts a model call; 0 for the default.
        device: The torch device that the model is on.

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
        measured = _TIMED[cell.asks](model, cell.task.card.prompt, entries, device)
        outputs = [[Output(values=values)] for values in measured]
    else:
        size = batch_size or (PICTURES_A_CALL if cell.asks == "images" else PROMPTS_A_CALL)
        for first in range(0, len(examples), size):
            batch = [Entry(example, place, build_prompt(cell, example)) for example, place in examples[first:][:size]]
            with _as_agreed(cell.model):
                outputs += _ASK[cell.asks](model, cell, batch, unit.seeds)
    _check_widths(outputs, cell.model)
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


def _load(picture: Picture, size: int) -> Image.Image:
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


@contextmanager
def _as_agreed(model: str) -> Iterator[None]:
    """Turn what a check below found into an error that names the model."""
    try:
        yield
    except _UnexpectedError as error:
        raise GillBenchError(f"{model}: returned {error}") from error


class _UnexpectedError(Exception):
    """What a model returned, and what was expected."""


def _list_of(found: Any, count: int, kind: type, what: str) -> list[Any]:
    """What a model returned as a list, if it is `count` of a kind."""
    if isinstance(found, str) or not isinstance(found, Sequence):
        raise _UnexpectedError(f"{type(found).__name__}, expected a list of {count} {what}")
    if len(found) != count:
        raise _UnexpectedError(f"{len(found)} {what}, expected {count}")
    strange = [one for one in found if not isinstance(one, kind)]
    if strange:
        raise _UnexpectedError(f"{type(strange[0]).__name__} among its {what}, expected {kind.__name__}")
    return list(found)


def _ask_images(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    noise = [[cell.task.noise(seed, entry.example, entry.place) for seed in seeds] for entry in entries]
    found = _list_of(
        model.generate_images([entry.prompt for entry in entries], noise), len(entries), Sequence, "lists of pictures"
    )
    outputs = []
    for pictures in found:
        made = _list_of(pictures, len(seeds), GeneratedImage, "pictures of a prompt")
        images = _list_of([one.image for one in made], len(made), Image.Image, "pictures of a prompt")
        for image in images:
            # As PIL converts them, numbers that are not finite would be black.
            if image.mode not in _MODES or not image.width * image.height:
                raise _UnexpectedError(f"a picture of mode {image.mode} and size {image.size}, expected RGB")
        outputs.append(
            [Output(image=one.image, flagged=bool(one.flagged), truncated=bool(one.truncated)) for one in made]
        )
    return outputs


def _ask_embeddings(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.embed_prompts([entry.prompt for entry in entries])
    return _vectors(vectors, len(entries), unit_length=True)


def _ask_candidates(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.embed_images([image for entry in entries for image in entry.prompt.images])
    return _vectors(vectors, len(entries), unit_length=True)


def _ask_features(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.decision_features([entry.prompt for entry in entries])
    return _vectors(vectors, len(entries), unit_length=False)


def _ask_texts(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    settings = cell.task.card.prompt
    stop = [part for part in [str(settings.get("stop", ""))] if part]
    found = model.generate_texts([entry.prompt for entry in entries], int(settings["max_new_tokens"]), stop)
    texts = _list_of(found, len(entries), str, "texts")
    strange = [text for text in texts if not is_encodable(text)]
    if strange:
        raise _UnexpectedError(f"half of a surrogate pair, which is no text: {strange[0]!r:.80}")
    return [[Output(values={"text": text})] for text in texts]


def _ask_scores(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    outputs = []
    for entry in entries:  # an example has so many options that it is a batch of its own
        options = entry.example.answers
        found = model.score_texts([entry.prompt] * len(options), options)
        scores = _list_of(found, len(options), Real, "log-likelihoods")
        strange = [score for score in scores if not math.isfinite(score)]
        if strange:
            raise _UnexpectedError(f"a log-likelihood of {strange[0]}, expected finite numbers")
        outputs.append([Output(values={"scores": [float(score) for score in scores]})])
    return outputs


def _ask_decisions(model: Any, cell: Cell, entries: Sequence[Entry], seeds: Sequence[int]) -> list[list[Output]]:
    found = _list_of(model.decide([entry.prompt for entry in entries]), len(entries), Decision, "decisions")
    for one in found:
        if one.label not in ("generate", "retrieve") or not 0 <= one.probability <= 1:
            raise _UnexpectedError(f"{one}, expected 'generate' or 'retrieve' with a probability from 0 to 1")
    return [[Output(values={"decision": one.label, "probability": float(one.probability)})] for one in found]


def _vectors(found: Any, count: int, *, unit_length: bool) -> list[list[Output]]:
    if not isinstance(found, np.ndarray) or found.ndim != 2 or len(found) != count or found.dtype.kind != "f":
        kind = f"array {found.shape} of {found.dtype}" if isinstance(found, np.ndarray) else type(found).__name__
        raise _UnexpectedError(f"{kind}, expected a numpy array ({count}, width) of float32")
    vectors: NDArray[np.float32] = found.astype(np.float32)
    if not np.isfinite(vectors).all():
        raise _UnexpectedError("vectors that are not finite; are its weights damaged?")
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    if unit_length and np.abs(lengths - 1).max() > _UNIT_LENGTH_TOLERANCE:
        worst = lengths[np.abs(lengths - 1).argmax()]
        raise _UnexpectedError(f"an embedding of length {worst:.3g}, expected L2-normalised ones")
    return [[Output(vector=vector)] for vector in vectors]


def _check_widths(outputs: Sequence[Sequence[Output]], model: str) -> None:
    widths = {len(one.vector) for made in outputs for one in made if one.vector is not None}
    if len(widths) > 1:
        raise GillBenchError(f"{model}: returned vectors of widths {sorted(widths)}, expected one width for all")


_MODES = frozenset({"RGB", "RGBA", "RGBX", "L", "LA", "P", "1"})
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
_TIMED: Mapping[Asks, Callable[[Any, Mapping[str, Any], Sequence[Entry], str], list[dict[str, Any]]]] = {
    "text-seconds": time_texts,
    "image-seconds": time_images,
    "search-seconds": time_search,
}
