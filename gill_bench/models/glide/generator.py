"""GLIDE behind the shared interface. A prompt is encoded once, for all its pictures and all their steps."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gill_bench.errors import GillBenchError, InputError
from gill_bench.interfaces import GeneratedImage, ImageGenerator, Noise
from gill_bench.models.diffusers.shared_noise import Latents, generator_for
from gill_bench.models.glide.checkpoint import load_network
from gill_bench.models.glide.files import NAMES
from gill_bench.models.glide.network import Condition
from gill_bench.models.glide.sampling import PictureNoise, Sampler, to_images
from gill_bench.models.glide.sizes import read_sizes
from gill_bench.models.glide.tokenizer import GlideTokenizer
from gill_bench.models.precision import resolve_dtype
from gill_bench.prompt import Prompt

if TYPE_CHECKING:
    from gill_bench.models.glide.settings import Settings


def load_generator(checkpoint: Path, tokenizer: Path, settings: Settings, device: str) -> ImageGenerator:
    """Load networks and tokenizer from the folders that the adapter's `check` describes."""
    sizes = read_sizes(checkpoint)
    dtype = resolve_dtype(settings.dtype, device, torch.float16)
    base, upsampler = (load_network(checkpoint, name, sizes, dtype, device) for name in NAMES)
    sampler = Sampler(
        base,
        upsampler,
        guidance_scale=settings.guidance_scale,
        base_steps=settings.base_steps,
        upsample_steps=settings.upsample_steps,
        upsample_temperature=settings.upsample_temperature,
    )
    return Glide(sampler, GlideTokenizer(tokenizer, sizes.text.context, base.padding_id))


class Glide:
    """GLIDE: an `ImageGenerator` that reads text alone."""

    def __init__(self, sampler: Sampler, tokenizer: GlideTokenizer) -> None:
        self.sampler = sampler
        self.tokenizer = tokenizer
        self.device = sampler.base.positional_embedding.device
        self._unconditional: Condition | None = None

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        """Generate one picture per prompt and noise; see `ImageGenerator`.

        Raises:
            InputError: A prompt holds pictures.
            GillBenchError: A picture is not finite.
        """
        if len(prompts) != len(noise):
            raise ValueError(f"{len(prompts)} prompts, but {len(noise)} sequences of noise")
        for prompt in prompts:
            if prompt.images:
                raise InputError(f"a prompt holds {len(prompt.images)} picture(s), but this model reads text alone")
        flat = list(chain.from_iterable(noise))
        if not flat:
            return [[] for _ in noise]
        tokens = self.tokenizer([prompt.text for prompt in prompts])
        rows = torch.tensor([row for row, group in enumerate(noise) for _ in group], device=self.device)
        ids, mask = tokens.ids.to(self.device), tokens.mask.to(self.device)
        with torch.no_grad():
            base, upsampler = (
                network.condition(ids, mask).take(rows) for network in (self.sampler.base, self.sampler.upsampler)
            )
        pictures = self.sampler((base, upsampler), self.unconditional(), self.draw(flat))
        if not bool(torch.isfinite(pictures).all()):
            # As a picture it would be black, and black pictures score well with some metrics.
            raise GillBenchError(
                "a picture is not finite: the weights are damaged, or the precision is too narrow (dtype)"
            )
        images = iter(to_images(pictures))
        return [
            [GeneratedImage(next(images), truncated=cut) for _ in group]
            for group, cut in zip(noise, tokens.truncated, strict=True)
        ]

    @torch.no_grad()
    def unconditional(self) -> Condition:
        """The condition that the base network makes of no text; computed once."""
        if self._unconditional is None:
            self._unconditional = self.sampler.base.unconditional()
        return self._unconditional

    def draw(self, noise: Sequence[Noise]) -> PictureNoise:
        """Draw the noise of N pictures, the whole noise of a picture in one draw from its own CPU generator.

        The numbers come in the order of `PictureNoise`: those with which the base network begins, those that its steps
        add, those with which the upsampler begins. With shared noise, one generator serves all pictures in turn.
        """
        drawn = Latents((self.sampler.noise_size(),), torch.float32)
        rows = [torch.randn(drawn.shape, generator=generator_for(item, drawn), dtype=drawn.dtype) for item in noise]
        return self.sampler.arrange(torch.stack(rows).to(self.device))
