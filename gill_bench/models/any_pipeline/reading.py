"""Whether a pipeline read the end of a prompt, observed in what reaches its networks.

Pipelines cut prompts in many ways: at the tokenizer's limit or at `max_sequence_length`, with a template before or
after the text, in one of several encoders, or by slicing embeddings. Instead of repeating these rules, this module
compares calls. A prompt was cut if another end of its text changes nothing in what the denoising network is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch

_CALLS = 6
"""Calls of the denoising networks that are compared. The first ones may be for pictures, or for the empty prompt."""
_TOLERANCE = 1e-3
"""The relative difference, per token, that rounding may make where prompts have different numbers of tokens."""
_TOLERANCE_HALF = 3e-2
Call = list[torch.Tensor]


class _EnoughError(Exception):
    """The question is answered, and the rest of the pipeline need not run."""


class Readings:
    """The tensors that the networks of a pipeline, those that read or denoise, are given in one run.

    Attributes:
        calls: For each of the first calls, the tensors among its arguments.
    """

    def __init__(self, expected: list[Call] | None = None) -> None:
        self.calls: list[Call] = []
        self.differs = False
        self._expected = expected

    def note(self, arguments: Any) -> None:
        """Note a call; with an expectation, stop the pipeline once the answer is known.

        Raises:
            _EnoughError: The call differs from the expected one, or all calls that are compared were equal.
        """
        number = len(self.calls)
        if number >= _CALLS:
            return
        call = [tensor.detach().clone() for tensor in _tensors(arguments)]
        self.calls.append(call)
        if self._expected is None:
            return
        if number >= len(self._expected) or not _alike(self._expected[number], call):
            self.differs = True
            raise _EnoughError
        if number + 1 >= min(_CALLS, len(self._expected)):
            raise _EnoughError


@contextmanager
def watching(pipeline: Any, readings: Readings) -> Iterator[None]:
    """Note the calls of a pipeline's denoising networks, and of networks that generate tokens from the prompt.

    Leaves the block silently when the answer is known before the pipeline has finished.
    """
    with suppress(_EnoughError), ExitStack() as undo:
        for network in pipeline.components.values():
            if not isinstance(network, torch.nn.Module):
                continue
            if _denoises(network):
                hook = network.register_forward_pre_hook(
                    lambda _, args, kwargs: readings.note((args, kwargs)), with_kwargs=True
                )
                undo.callback(hook.remove)
            elif callable(getattr(network, "generate", None)):
                undo.callback(_watch_generate(network, readings))
        yield


def is_cut(text: str, given: Readings, ask: Callable[[str, Readings], None]) -> bool:
    """Whether a pipeline did not read the end of a text.

    Args:
        text: The text, as the pipeline got it.
        given: What its networks were given for this text.
        ask: Runs the pipeline with another text in its place, under the given readings.
    """
    end = text.rstrip()
    if len(end) < 2 or not given.calls:
        return False
    for other in (end[:-1], f"{end} {end[:1]}"):
        readings = Readings(given.calls)
        ask(other, readings)
        if readings.differs:
            return False
    return True


def _denoises(network: torch.nn.Module) -> bool:
    """Whether a network is one of diffusers that is no autoencoder: all of these are given the embedded prompt."""
    from diffusers import ModelMixin

    name = type(network).__name__
    return isinstance(network, ModelMixin) and not name.startswith(("Autoencoder", "VQModel", "AsymmetricAutoencoder"))


def _watch_generate(network: Any, readings: Readings) -> Callable[[], None]:
    original = network.generate

    def generate(*arguments: Any, **options: Any) -> Any:
        readings.note((arguments, options))
        return original(*arguments, **options)

    network.generate = generate
    return lambda: delattr(network, "generate")


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for key in sorted(value, key=str):
            yield from _tensors(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _alike(first: Call, second: Call) -> bool:
    return len(first) == len(second) and all(_equal(*pair) for pair in zip(first, second, strict=True))


def _equal(first: torch.Tensor, second: torch.Tensor) -> bool:
    if first.shape != second.shape:
        return False
    if not first.is_floating_point() or first.ndim < 2:
        return torch.equal(first, second)
    difference = (first.float() - second.float()).flatten(0, -2).norm(dim=-1)
    size = first.float().flatten(0, -2).norm(dim=-1)
    tolerance = _TOLERANCE if first.dtype in (torch.float32, torch.float64) else _TOLERANCE_HALF
    return bool((difference <= tolerance * size.clamp(min=size.mean())).all())
