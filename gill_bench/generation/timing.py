"""How long a model takes (paper App. E.4, protocol 3.12): one prompt a call, after a warm-up.

The clock stops when the device has done all that the call gave it to do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gill_bench.generation.prompts import ExamplePrompt
from gill_bench.generation.returned import pictures_of, texts_of, vectors_of
from gill_bench.interfaces import Noise


def time_texts(
    model: Any, settings: Mapping[str, Any], prompts: Sequence[ExamplePrompt], device: str
) -> list[dict[str, Any]]:
    """Measure the seconds and tokens of one continuation per prompt.

    Args:
        model: A text generator; `tokens` are counted if it has a method `count_tokens(texts)`.
        settings: `max_new_tokens`, and `warmup`, the number of calls before the first that is measured.
        prompts: The prompts.
        device: The torch device that the model is on.
    """
    count = getattr(model, "count_tokens", None)

    def call(prompt: ExamplePrompt) -> Any:
        return model.generate_texts([prompt.prompt], int(settings["max_new_tokens"]))

    measured = []
    for seconds, returned in _timed(call, settings, prompts, device):
        texts = texts_of(returned, 1)
        values: dict[str, Any] = {"seconds": seconds}
        if count is not None:
            values["tokens"] = int(count(texts)[0])
        measured.append(values)
    return measured


def time_images(
    model: Any, settings: Mapping[str, Any], prompts: Sequence[ExamplePrompt], device: str
) -> list[dict[str, Any]]:
    """Measure the seconds of one generated picture per prompt, from the prompt to the picture."""

    def call(prompt: ExamplePrompt) -> Any:
        return model.generate_images([prompt.prompt], [[Noise(prompt.position)]])

    measured = []
    for seconds, returned in _timed(call, settings, prompts, device):
        pictures_of(returned, [1])
        measured.append({"seconds": seconds})
    return measured


def time_search(
    model: Any, settings: Mapping[str, Any], prompts: Sequence[ExamplePrompt], device: str
) -> list[dict[str, Any]]:
    """Measure the seconds of finding the most similar of `search_candidates` candidates for each prompt.

    Embedding the prompt is not measured. The candidates are random unit vectors of the model's width on the model's
    device: their values make no difference to how long an exact search takes.
    """
    import torch

    vectors = vectors_of(model.embed_prompts([prompt.prompt for prompt in prompts]), len(prompts), unit_length=True)
    queries = torch.from_numpy(vectors).to(device)
    generator = torch.Generator().manual_seed(0)
    size = (int(settings["search_candidates"]), queries.shape[1])
    candidates = torch.nn.functional.normalize(torch.randn(size, generator=generator), dim=1).to(device)
    rows = {prompt.position: row for row, prompt in enumerate(prompts)}

    def call(prompt: ExamplePrompt) -> None:
        scores = candidates @ queries[rows[prompt.position]]
        scores.argmax().item()

    return [{"seconds": seconds, "candidates": size[0]} for seconds, _ in _timed(call, settings, prompts, device)]


def _timed(
    call: Callable[[ExamplePrompt], Any], settings: Mapping[str, Any], prompts: Sequence[ExamplePrompt], device: str
) -> Iterator[tuple[float, Any]]:
    """The seconds of a call for each prompt and what it returned, after `warmup` calls for the first prompt."""
    for _ in range(int(settings["warmup"])):
        call(prompts[0])
    for prompt in prompts:
        _wait(device)
        start = time.perf_counter()
        returned = call(prompt)
        _wait(device)
        yield time.perf_counter() - start, returned


def _wait(device: str) -> None:
    """Wait until an accelerator has done all that it was given."""
    import torch

    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()
