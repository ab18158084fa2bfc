"""Text-to-image pipelines behind the shared interface."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gill_bench.errors import InputError
from gill_bench.interfaces import GeneratedImage, ImageGenerator, Noise
from gill_bench.models.diffusers.folder import ignores_guidance
from gill_bench.models.diffusers.pipelines import Pipeline, load_pipeline, run, sample
from gill_bench.models.precision import resolve_dtype
from gill_bench.models.stable_diffusion.tokens import tokenize
from gill_bench.models.stable_diffusion.truncation import cut_by_all, watched
from gill_bench.prompt import Prompt

if TYPE_CHECKING:
    from gill_bench.models.stable_diffusion.settings import Settings


def load_generator(path: Path, settings: Settings, device: str) -> ImageGenerator:
    """Load the pipeline of a folder behind the interface that suits its class."""
    from diffusers import StableDiffusionPipeline

    pipeline = load_pipeline(
        path,
        dtype=resolve_dtype(settings.dtype, device, torch.float16),
        device=device,
        scheduler=settings.scheduler,
        safety_checker=settings.safety_checker,
    )
    kind = StableDiffusion if isinstance(pipeline, StableDiffusionPipeline) else PromptPipeline
    return kind(pipeline, settings)


class StableDiffusion:
    """Stable Diffusion 1 and 2: an `ImageGenerator` that encodes a prompt once, however many pictures it gets."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self.pipeline = pipeline
        self.settings = settings

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        """Generate one picture per prompt and noise; see `ImageGenerator`.

        Raises:
            InputError: A prompt holds pictures.
        """
        texts = _texts(prompts, noise)
        if not texts:
            return []
        embeds, truncated = self.encode(texts)
        generated = sample(
            self.pipeline,
            embeds,
            noise,
            num_inference_steps=self.settings.num_inference_steps,
            guidance_scale=self.settings.guidance_scale,
        )
        return [
            [replace(picture, truncated=cut) for picture in group]
            for group, cut in zip(generated, truncated, strict=True)
        ]

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> tuple[torch.Tensor, list[bool]]:
        """Embeddings (N, L, D) of N texts, and for each text whether it was too long.

        With truncation "right" the embeddings are those of the pipeline's own `encode_prompt`, bit for bit.
        """
        encoder = self.pipeline.text_encoder
        tokenizer = self.pipeline.tokenizer
        length = min(tokenizer.model_max_length, encoder.config.max_position_embeddings)
        tokens = tokenize(tokenizer, texts, self.settings.truncation, length)
        masked = getattr(encoder.config, "use_attention_mask", False)
        mask = tokens.mask.to(encoder.device) if masked else None
        embeds: torch.Tensor = encoder(tokens.ids.to(encoder.device), attention_mask=mask)[0]
        return embeds.to(encoder.dtype), tokens.truncated


class PromptPipeline:
    """Any other pipeline: an `ImageGenerator` that hands over prompts as text, whose ends the pipeline cuts."""

    def __init__(self, pipeline: Pipeline, settings: Settings) -> None:
        self.pipeline = pipeline
        self.settings = settings

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        """Generate one picture per prompt and noise; see `ImageGenerator`.

        A picture counts as truncated if no encoder of the pipeline reads its whole prompt.
        """
        texts = _texts(prompts, noise)
        repeated = [text for text, group in zip(texts, noise, strict=True) for _ in group]
        with watched(self.pipeline) as watches:
            generated = run(self.pipeline, noise, prompt=repeated, **self._arguments())
        cut = iter(cut_by_all(watches, len(repeated)) if repeated else ())
        return [[replace(picture, truncated=next(cut)) for picture in group] for group in generated]

    def _arguments(self) -> dict[str, object]:
        """The arguments besides prompts and noise: only those that this pipeline reads."""
        arguments: dict[str, object] = {"num_inference_steps": self.settings.num_inference_steps}
        transformer = getattr(self.pipeline, "transformer", None)
        if not ignores_guidance(type(self.pipeline).__name__, getattr(transformer, "config", {})):
            arguments["guidance_scale"] = self.settings.guidance_scale
        # By default some pipelines read prompts differently where two more packages happen to be installed.
        arguments["clean_caption"] = False
        accepted = inspect.signature(self.pipeline.__call__).parameters
        return {name: value for name, value in arguments.items() if name in accepted}


def _texts(prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> list[str]:
    if len(prompts) != len(noise):
        raise ValueError(f"{len(prompts)} prompts, but {len(noise)} sequences of noise")
    for prompt in prompts:
        if prompt.images:
            raise InputError(f"a prompt holds {len(prompt.images)} picture(s), but this model reads text alone")
    return [prompt.text for prompt in prompts]
