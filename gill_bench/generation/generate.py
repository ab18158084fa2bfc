"""One unit of work: prompts are built from examples, a model is called, and its outputs are checked and stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gill_bench.datasets import Example, Picture
from gill_bench.generation.calls import Call, CallError, ask_at_once, ask_in_turn, calls_at_once, usual_batch_size
from gill_bench.generation.prompts import ExamplePrompt, build_prompts
from gill_bench.generation.returned import (
    ReturnedError,
    check_equal_widths,
    decisions_of,
    name_method_in_errors,
    pictures_of,
    scores_of,
    texts_of,
    vectors_of,
)
from gill_bench.generation.timing import time_images, time_search, time_texts
from gill_bench.generation.waiting import Patience
from gill_bench.interfaces import OutputKind, TryLater, UnavailableError
from gill_bench.planning.cells import Cell
from gill_bench.rundir.kept import KeptOutputs
from gill_bench.rundir.records import Unit
from gill_bench.rundir.writer import Output, write_unit


class UnitOutputs(NamedTuple):
    """The outputs of a unit, before they are stored.

    Attributes:
        outputs: For each example a list with one output per seed.
        seconds: How long the unit took.
        batch_size: The most prompts in one call of the model, whether or not the unit has so many.
    """

    outputs: list[list[Output]]
    seconds: float
    batch_size: int


def unit_prompts(unit: Unit, cell: Cell) -> list[ExamplePrompt]:
    """The prompts of a unit's examples; raises as `build_prompts`."""
    return build_prompts(cell, [cell.usable[name][:2] for name, _ in unit.examples])


def generate_unit(
    unit: Unit,
    cell: Cell,
    model: object,
    batch_size: int,
    device: str,
    prompts: Sequence[ExamplePrompt] = (),
    kept: KeptOutputs | None = None,
    may_fail: int = 0,
) -> UnitOutputs:
    """Get a unit's outputs from a model.

    Args:
        unit: The unit.
        cell: The cell that the unit belongs to.
        model: The loaded model.
        batch_size: Prompts in one call of the model; 0 for the usual number of the output kind.
        device: The torch device that the model is on.
        prompts: The prompts of the unit's examples; () if they are still to be read.
        kept: Outputs that are there already, and to which those of each call are added; None for none.
        may_fail: After more failed examples than these no others are asked for, where each is asked for alone.

    Raises:
        ReturnedError: The model returned something of another form than its interface says.
        CallError: The model raised an error, or returned a value that cannot be used.
        FailedExamplesError: It did so for examples that were each asked for alone.
        UnavailableError: The model answers no prompt now.
    """
    start = time.perf_counter()
    examples = [cell.usable[name][:2] for name, _ in unit.examples]
    patience, threads = Patience(), calls_at_once(model)
    kept = KeptOutputs(None, unit) if kept is None else kept

    def measured() -> Sequence[Mapping[str, Any]]:
        # One call for all examples: no reading of data is measured, and the first calls warm up.
        with _model_call(model, cell, 1):
            return _TIMED[cell.asks](model, cell.task.card.prompt, build_prompts(cell, examples), device)

    def generated(call: Call) -> list[list[Output]]:
        with _model_call(model, cell, len(call.numbers)):
            batch = [prompts[number] for number in call.numbers if prompts]
            batch = batch or build_prompts(cell, [examples[number] for number in call.numbers])
            return _GENERATE[cell.asks](model, cell, batch, call.seeds)

    def ask(call: Call) -> list[list[Output]]:
        return patience.call(lambda: generated(call))

    size = 1
    if is_timed(cell):
        outputs = [[Output(values=values)] for values in patience.call(measured)]
    else:
        if threads:
            ask_at_once(ask, unit, threads, kept, may_fail)
        else:
            size = batch_size or usual_batch_size(cell.asks, cell.unit_size, device)
            size = ask_in_turn(ask, unit, (cell.model_digest, cell.asks), size, device, kept)
        outputs = [[kept[name, seed] for seed in unit.seeds] for name, _ in unit.examples]
    with _model_call(model, cell, len(examples)):
        vectors = [output.vector for by_seed in outputs for output in by_seed if output.vector is not None]
        check_equal_widths([len(vector) for vector in vectors])
    return UnitOutputs(outputs, round(time.perf_counter() - start, 6), size)


def store_unit(unit: Unit, cell: Cell, outputs: UnitOutputs, folder: Path, record: Mapping[str, Any]) -> None:
    """Store the outputs of a unit in its cell's folder; `record` says how they were made.

    The batch and the seconds are added to the record.
    """
    record = {**record, "batch_size": outputs.batch_size, "seconds": outputs.seconds}
    details = [details_of(cell, cell.usable[name].example) for name, _ in unit.examples]
    write_unit(unit.folder(folder), unit, outputs.outputs, details, record)


def is_timed(cell: Cell) -> bool:
    """Whether a cell asks how long something takes."""
    return cell.asks in _TIMED


@contextmanager
def _model_call(model: object, cell: Cell, prompts: int) -> Iterator[None]:
    """Turn an error inside a call of the model's method into a `CallError` with the number of its prompts."""
    try:
        with name_method_in_errors(model, cell.model, str(cell.recipe.get("adapter", "")), METHOD_OF[cell.asks]):
            yield
    except (ReturnedError, TryLater, UnavailableError):
        raise
    except Exception as error:
        raise CallError(prompts) from error


def details_of(cell: Cell, example: Example) -> dict[str, Any]:
    """The facts about an example that stand with each of its samples (`gill_bench.rundir.records.Sample.details`)."""
    if cell.asks == "candidates":
        return {}
    parts = cell.task.segments(example, cell.context)
    return {
        "cluster": example.cluster,
        "target": example.target.id if example.target else None,
        "prompt": [part if isinstance(part, str) else _record(part) for part in parts],
    }


def _record(picture: Picture) -> dict[str, Any]:
    return {"picture": picture.id, "blank": True} if picture.blank else {"picture": picture.id}


def _images(model: Any, cell: Cell, prompts: Sequence[ExamplePrompt], seeds: Sequence[int]) -> list[list[Output]]:
    noise = [[cell.task.noise(seed, prompt.example, prompt.position) for seed in seeds] for prompt in prompts]
    returned = model.generate_images([prompt.prompt for prompt in prompts], noise)
    return [
        [Output(image=picture.image, flagged=picture.flagged, truncated=picture.truncated) for picture in pictures]
        for pictures in pictures_of(returned, [len(seeds)] * len(prompts))
    ]


def _embeddings(model: Any, cell: Cell, prompts: Sequence[ExamplePrompt], seeds: Sequence[int]) -> list[list[Output]]:
    return _vectors(model.embed_prompts([prompt.prompt for prompt in prompts]), len(prompts))


def _candidates(model: Any, cell: Cell, prompts: Sequence[ExamplePrompt], seeds: Sequence[int]) -> list[list[Output]]:
    return _vectors(model.embed_images([image for prompt in prompts for image in prompt.prompt.images]), len(prompts))


def _features(model: Any, cell: Cell, prompts: Sequence[ExamplePrompt], seeds: Sequence[int]) -> list[list[Output]]:
    returned = model.decision_features([prompt.prompt for prompt in prompts])
    return _vectors(returned, len(prompts), unit_length=False)


def _vectors(returned: Any, count: int, *, unit_length: bool = True) -> list[list[Output]]:
    return [[Output(vector=vector)] for vector in vectors_of(returned, count, unit_length=unit_length)]


def _texts(model: Any, cell: Cell, prompts: Sequence[ExamplePrompt], seeds: Sequence[int]) -> list[list[Output]]:
    settings = cell.task.card.prompt
    stop = [part for part in [str(settings.get("stop", ""))] if part]
    returned = model.generate_texts([prompt.prompt for prompt in prompts], int(settings["max_new_tokens"]), stop)
    return [[Output(values={"text": text})] for text in texts_of(returned, len(prompts))]


def _scores(model: Any, cell: Cell, prompts: Sequence[ExamplePrompt], seeds: Sequence[int]) -> list[list[Output]]:
    outputs = []
    for prompt in prompts:  # one call per example: its options are a batch by themselves
        options = prompt.example.answers
        returned = model.score_texts([prompt.prompt] * len(options), options)
        outputs.append([Output(values={"scores": scores_of(returned, len(options))})])
    return outputs


def _decisions(model: Any, cell: Cell, prompts: Sequence[ExamplePrompt], seeds: Sequence[int]) -> list[list[Output]]:
    decisions = decisions_of(model.decide([prompt.prompt for prompt in prompts]), len(prompts))
    return [[Output(values={"decision": item.label, "probability": float(item.probability)})] for item in decisions]


METHOD_OF: Mapping[OutputKind, str] = {
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
"""The method of a model that gives each kind of output."""
_GENERATE: Mapping[OutputKind, Callable[[Any, Cell, Sequence[ExamplePrompt], Sequence[int]], list[list[Output]]]] = {
    "images": _images,
    "embeddings": _embeddings,
    "candidates": _candidates,
    "texts": _texts,
    "scores": _scores,
    "features": _features,
    "decisions": _decisions,
}
_TIMED: Mapping[OutputKind, Callable[[Any, Mapping[str, Any], Sequence[ExamplePrompt], str], list[dict[str, Any]]]] = {
    "text-seconds": time_texts,
    "image-seconds": time_images,
    "search-seconds": time_search,
}
