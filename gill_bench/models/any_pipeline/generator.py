"""Any pipeline behind the shared interface: one call a picture, each with a generator of its own."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image

from gill_bench.errors import GillBenchError, InputError, first_line
from gill_bench.interfaces import GeneratedImage, Noise
from gill_bench.models.any_pipeline.pictures import PictureReader
from gill_bench.models.any_pipeline.reading import Readings, is_cut, watching
from gill_bench.models.writing.control import broken, control_tokens
from gill_bench.prompt import Prompt
from gill_bench.weights.checkpoints import quiet_loading

if TYPE_CHECKING:
    from gill_bench.prompt import Segment

_log = logging.getLogger(__name__)
_NO_EFFECT = ("ignored", "not enabled", "adjusted", "resized accordingly")
"""Words with which pipelines warn that an argument changes nothing, or that they paint another size."""


class PipelineGenerator:
    """A pipeline of diffusers as an `ImageGenerator`.

    Pictures depend on nothing but their own prompt and noise: each has a call of its own, with a CPU generator that is
    seeded from its noise, inside a fork of torch's global generator with the same seed.

    Args:
        pipeline: The loaded pipeline.
        reader: How the pipeline is given pictures.
        arguments: The arguments of each call besides prompt, pictures and generator.
    """

    def __init__(self, pipeline: Any, reader: PictureReader, arguments: Mapping[str, Any]) -> None:
        self.pipeline = pipeline
        self.reader = reader
        self.arguments = dict(arguments)
        self._control_tokens = control_tokens(pipeline)
        self._said_size = False

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        """Generate one picture per prompt and noise; see `ImageGenerator`.

        A picture counts as truncated if another end of its prompt's text would not have changed what the denoising
        network was given, which means that no encoder of the pipeline read that end.

        Raises:
            InputError: A prompt holds pictures that the pipeline cannot take, or lacks one that it needs.
            GillBenchError: A picture is not finite.
        """
        if len(prompts) != len(noise):
            raise ValueError(f"{len(prompts)} prompts, but {len(noise)} sequences of noise")
        return [self._pictures(*pair) for pair in zip(prompts, noise, strict=True)]

    def try_out(self, prompt: Prompt, hint: str = "") -> None:
        """Run the pipeline up to its first prediction, to see that it takes its arguments and heeds them.

        Raises:
            InputError: It raises an error, or warns that it ignores a setting or paints another size.
        """
        readings = Readings([[]])  # no call has no tensors, so that the first one answers the question
        with _warnings() as warnings:
            try:
                self._call(self._clean(prompt), Noise(0), readings)
            except Exception as error:
                raise InputError(
                    f"{type(self.pipeline).__name__} cannot be called with {_listed(self.arguments)}:"
                    f" {type(error).__name__}: {first_line(error)}{hint}"
                ) from error
        for warning in warnings:
            names = warning.lower().replace(" ", "_")
            if any(words in warning for words in _NO_EFFECT) and any(name in names for name in self.arguments):
                raise InputError(f"{type(self.pipeline).__name__}: {warning}; given: {_listed(self.arguments)}")

    def _pictures(self, prompt: Prompt, noise: Sequence[Noise]) -> list[GeneratedImage]:
        if not noise:
            return []
        cleaned = self._clean(prompt)
        readings = Readings()
        first = self._call(cleaned, noise[0], readings)
        others = [self._call(cleaned, item) for item in noise[1:]]
        cut = self._is_cut(cleaned, noise[0], readings)
        return [replace(self._picture(output), truncated=cut) for output in (first, *others)]

    def _is_cut(self, prompt: Prompt, noise: Noise, readings: Readings) -> bool:
        texts = [index for index, segment in enumerate(prompt.segments) if isinstance(segment, str) and segment.strip()]
        if not texts:
            return False
        last = texts[-1]

        def ask(text: str, other: Readings) -> None:
            segments = (*prompt.segments[:last], text, *prompt.segments[last + 1 :])
            self._call(Prompt(segments), noise, other)

        return is_cut(str(prompt.segments[last]), readings, ask)

    def _call(self, prompt: Prompt, noise: Noise, readings: Readings | None = None) -> Any:
        """One call of the pipeline; None if the readings ended it early."""
        arguments = {**self.arguments, **self.reader.arguments(prompt)}
        output = None
        device = self.pipeline.device
        with torch.random.fork_rng([device] if device.type == "cuda" else []), quiet_loading():
            torch.manual_seed(noise.seed)
            with watching(self.pipeline, readings) if readings is not None else torch.no_grad():
                output = self.pipeline(generator=torch.Generator().manual_seed(noise.seed), **arguments)
        return output

    def _picture(self, output: Any) -> GeneratedImage:
        """The picture of one call."""
        flags = getattr(output, "nsfw_content_detected", None)
        pictures = output[0]
        picture = pictures[0]
        if isinstance(picture, np.ndarray):
            picture = picture.reshape(picture.shape[-3:])  # some classes give a film of one picture
            if not bool(np.isfinite(picture).all()):
                # As a picture it would be black, and black pictures score well with some metrics.
                raise GillBenchError(
                    "a picture is not finite: the weights are damaged, or the precision is too narrow (dtype)"
                )
            picture = Image.fromarray((picture * 255).round().astype(np.uint8))
        given_size = (self.arguments.get("width"), self.arguments.get("height"))
        if None not in given_size and picture.size != given_size and not self._said_size:
            self._said_size = True
            _log.warning(
                "%s paints %d x %d pixels instead of %d x %d; set width and height to a size that it paints",
                type(self.pipeline).__name__,
                *picture.size,
                *given_size,
            )
        return GeneratedImage(picture.convert("RGB"), bool(flags and flags[0]))

    def _clean(self, prompt: Prompt) -> Prompt:
        segments: list[Segment] = [
            broken(segment, self._control_tokens) if isinstance(segment, str) else segment
            for segment in prompt.segments
        ]
        return Prompt(tuple(segments))


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """The warnings that diffusers logs, instead of its printing them."""
    messages: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    names = [name for name in logging.root.manager.loggerDict if name.startswith("diffusers.pipelines")]
    before = [(logger, logger.level, logger.propagate) for logger in map(logging.getLogger, names)]
    collector = Collect(logging.WARNING)
    for logger, _, _ in before:
        logger.setLevel(logging.WARNING)
        logger.addHandler(collector)
        logger.propagate = False
    try:
        yield messages
    finally:
        for logger, level, propagates in before:
            logger.setLevel(level)
            logger.removeHandler(collector)
            logger.propagate = propagates


def _listed(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in arguments.items() if name != "output_type")
