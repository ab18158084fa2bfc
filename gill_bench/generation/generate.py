"""Doing one unit of work: prompts from examples, outputs from the model, checked and stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gill_bench.datasets import Example
from gill_bench.generation.prompts import Prompted, build_prompt
from gill_bench.generation.returned import (
    ReturnedError,
    as_agreed,
    decisions_of,
    one_width,
    pictures_of,
    scores_of,
    texts_of,
    vectors_of,
)
from gill_bench.generation.timing import time_images, time_search, time_texts
from gill_bench.interfaces import OutputKind
from gill_bench.planning.cells import Cell
from gill_bench.rundir.records import Unit
from gill_bench.rundir.writer import Output, write_unit

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


class CallError(Exception):
    """A call of a model raised something, which is its cause.

    Attributes:
        prompts: How many prompts the call had.
    """

    def __init__(self, prompts: int) -> None:
        super().__init__(prompts)
        self.prompts = prompts


def generate_unit(unit: Unit, cell: Cell, model: object, batch_size: int, device: str) -> Made:
    """Get a unit's outputs from a model.

    Args:
        unit: The unit.
        cell: Its cell.
        model: The loaded model.
        batch_size: Prompts a model call; 0 for the default.
        device: The torch device that the model is on.

    Raises:
        ReturnedError: The model returned something of another form than its interface says.
        CallError: From what the model raised, or from a value that cannot be used.
    """
    start = time.perf_counter()
    examples = [cell.usable[name][:2] for name, _ in unit.examples]
    outputs: list[list[Output]] = []
    if cell.asks in _TIMED:
        # All in one call: what is measured includes no reading of data, and the first calls warm up.
        with _call(model, cell, 1):
            entries = [Prompted(example, position, build_prompt(cell, example)) for example, position in examples]
            measured = _TIMED[cell.asks](model, cell.task.card.prompt, entries, device)
        outputs = [[Output(values=values)] for values in measured]
    else:
        size = batch_size or (PICTURES_A_CALL if cell.asks == "images" else PROMPTS_A_CALL)
        for first in range(0, len(examples), size):
            batch = examples[first:][:size]
            with _call(model, cell, len(batch)):
                entries = [Prompted(example, position, build_prompt(cell, example)) for example, position in batch]
                outputs += _ASK[cell.asks](model, cell, entries, unit.seeds)
    with _call(model, cell, len(examples)):
        one_width([len(output.vector) for made in outputs for output in made if output.vector is not None])
    details = [_details(cell, example) for example, _ in examples]
    return Made(outputs, details, round(time.perf_counter() - start, 3))


def store(unit: Unit, cell: Cell, made: Made, run: Path, how: Mapping[str, Any]) -> None:
    """Store what came of a unit; `how` is recorded beside the seconds that it took."""
    folder = cell.folder(run) / unit.key
    write_unit(folder, unit, made.outputs, made.details, {**how, "seconds": made.seconds})


@contextmanager
def _call(model: object, cell: Cell, prompts: int) -> Iterator[None]:
    """A call of the model's method, whose errors say how many prompts it was given."""
    try:
        with as_agreed(model, cell.model, str(cell.recipe.get("adapter", "")), _METHOD[cell.asks]):
            yield
    except ReturnedError:
        raise
    except Exception as error:
        raise CallError(prompts) from error


def _details(cell: Cell, example: Example) -> dict[str, Any]:
    if cell.asks == "candidates":
        return {}
    parts = cell.task.segments(example, cell.context)
    return {
        "cluster": example.cluster,
        "target": example.target.id if example.target else None,
        "prompt": [part if isinstance(part, str) else {"picture": part.id} for part in parts],
    }


def _ask_images(model: Any, cell: Cell, entries: Sequence[Prompted], seeds: Sequence[int]) -> list[list[Output]]:
    noise = [[cell.task.noise(seed, entry.example, entry.number) for seed in seeds] for entry in entries]
    answer = model.generate_images([entry.prompt for entry in entries], noise)
    return [
        [Output(image=picture.image, flagged=picture.flagged, truncated=picture.truncated) for picture in pictures]
        for pictures in pictures_of(answer, [len(seeds)] * len(entries))
    ]


def _ask_embeddings(model: Any, cell: Cell, entries: Sequence[Prompted], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.embed_prompts([entry.prompt for entry in entries])
    return _vectors(vectors_of(vectors, len(entries), unit_length=True))


def _ask_candidates(model: Any, cell: Cell, entries: Sequence[Prompted], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.embed_images([image for entry in entries for image in entry.prompt.images])
    return _vectors(vectors_of(vectors, len(entries), unit_length=True))


def _ask_features(model: Any, cell: Cell, entries: Sequence[Prompted], seeds: Sequence[int]) -> list[list[Output]]:
    vectors = model.decision_features([entry.prompt for entry in entries])
    return _vectors(vectors_of(vectors, len(entries), unit_length=False))


def _vectors(vectors: NDArray[np.float32]) -> list[list[Output]]:
    return [[Output(vector=vector)] for vector in vectors]


def _ask_texts(model: Any, cell: Cell, entries: Sequence[Prompted], seeds: Sequence[int]) -> list[list[Output]]:
    settings = cell.task.card.prompt
    stop = [part for part in [str(settings.get("stop", ""))] if part]
    texts = model.generate_texts([entry.prompt for entry in entries], int(settings["max_new_tokens"]), stop)
    return [[Output(values={"text": text})] for text in texts_of(texts, len(entries))]


def _ask_scores(model: Any, cell: Cell, entries: Sequence[Prompted], seeds: Sequence[int]) -> list[list[Output]]:
    outputs = []
    for entry in entries:  # an example has so many options that it is a batch of its own
        options = entry.example.answers
        scores = model.score_texts([entry.prompt] * len(options), options)
        outputs.append([Output(values={"scores": scores_of(scores, len(options))})])
    return outputs


def _ask_decisions(model: Any, cell: Cell, entries: Sequence[Prompted], seeds: Sequence[int]) -> list[list[Output]]:
    decisions = decisions_of(model.decide([entry.prompt for entry in entries]), len(entries))
    return [[Output(values={"decision": item.label, "probability": float(item.probability)})] for item in decisions]


_METHOD: Mapping[OutputKind, str] = {
    "images": "generate_images",
    "embeddings": "embed_prompts",
    "candidates": "embed_images",
    "texts": "generate_texts",
    "scores": "score_texts",
    "features": "decision_features",
    "decisions": "decide",
    "text-seconds": "generate_texts",
    "image-seconds": "generate_images",
    "search-seconds": "embed_prompts",
}
_ASK: Mapping[OutputKind, Callable[[Any, Cell, Sequence[Prompted], Sequence[int]], list[list[Output]]]] = {
    "images": _ask_images,
    "embeddings": _ask_embeddings,
    "candidates": _ask_candidates,
    "texts": _ask_texts,
    "scores": _ask_scores,
    "features": _ask_features,
    "decisions": _ask_decisions,
}
_TIMED: Mapping[OutputKind, Callable[[Any, Mapping[str, Any], Sequence[Prompted], str], list[dict[str, Any]]]] = {
    "text-seconds": time_texts,
    "image-seconds": time_images,
    "search-seconds": time_search,
}
