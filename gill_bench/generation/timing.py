"""How long things take (paper App. E.4, protocol 3.12): one prompt a call, warmed up, the device waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gill_bench.generation.prompts import Prompted
from gill_bench.generation.returned import pictures_of, texts_of, vectors_of
from gill_bench.interfaces import Noise


def time_texts(
    model: Any, settings: Mapping[str, Any], entries: Sequence[Prompted], device: str
) -> list[dict[str, Any]]:
    """Seconds and tokens of one continuation per entry.

    Args:
        model: A text generator; `tokens` are counted where it has `count_tokens(texts)`.
        settings: `max_new_tokens`, `warmup` (calls that are not counted).
        entries: One measurement each.
        device: The torch device that the model is on.
    """
    count = getattr(model, "count_tokens", None)

    def call(entry: Prompted) -> Any:
        return model.generate_texts([entry.prompt], int(settings["max_new_tokens"]))

    measured = []
    for seconds, answer in _timed(call, settings, entries, device):
        texts = texts_of(answer, 1)
        values: dict[str, Any] = {"seconds": seconds}
        if count is not None:
            values["tokens"] = int(count(texts)[0])
        measured.append(values)
    return measured


def time_images(
    model: Any, settings: Mapping[str, Any], entries: Sequence[Prompted], device: str
) -> list[dict[str, Any]]:
    """Seconds of one generated picture per entry, from the prompt to the picture."""

    def call(entry: Prompted) -> Any:
        return model.generate_images([entry.prompt], [[Noise(entry.number)]])

    measured = []
    for seconds, answer in _timed(call, settings, entries, device):
        pictures_of(answer, [1])
        measured.append({"seconds": seconds})
    return measured


def time_search(
    model: Any, settings: Mapping[str, Any], entries: Sequence[Prompted], device: str
) -> list[dict[str, Any]]:
    """Seconds of finding the most similar of `search_candidates` candidates per entry, its embedding not included.

    The candidates are random unit vectors of the model's width on the model's device: what they are makes no
    difference to how long an exact search takes.
    """
    import torch

    vectors = vectors_of(model.embed_prompts([entry.prompt for entry in entries]), len(entries), unit_length=True)
    queries = torch.from_numpy(vectors).to(device)
    generator = torch.Generator().manual_seed(0)
    size = (int(settings["search_candidates"]), queries.shape[1])
    candidates = torch.nn.functional.normalize(torch.randn(size, generator=generator), dim=1).to(device)
    places = {entry.number: place for place, entry in enumerate(entries)}

    def call(entry: Prompted) -> None:
        scores = candidates @ queries[places[entry.number]]
        scores.argmax().item()

    return [{"seconds": seconds, "candidates": size[0]} for seconds, _ in _timed(call, settings, entries, device)]


def _timed(
    call: Callable[[Prompted], Any], settings: Mapping[str, Any], entries: Sequence[Prompted], device: str
) -> Iterator[tuple[float, Any]]:
    """Seconds of a call for each entry and what it returned, after `warmup` calls for the first."""
    for _ in range(int(settings["warmup"])):
        call(entries[0])
    for entry in entries:
        _wait(device)
        start = time.perf_counter()
        answer = call(entry)
        _wait(device)
        yield time.perf_counter() - start, answer


def _wait(device: str) -> None:
    """Wait until an accelerator has done all that it was given."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()
