"""Sampling from conditions and given noise: base network, 8-bit rounding, upsampler (protocol 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gill_bench.models.glide.network import Condition, Network
from gill_bench.models.glide.schedule import (
    Step,
    ddim_step,
    ddpm_step,
    fast27,
    linear,
    spaced,
    squared_cosine,
    steps,
)
from gill_bench.models.glide.shapes import COLOURS


class PictureNoise(NamedTuple):
    """The standard normal noise of N pictures.

    Attributes:
        base: Noise with which the base network begins, (N, 3, r, r).
        base_steps: Noise that each of its S steps adds, (N, S - 1, 3, r, r); the last step adds none.
        upsampler: Noise with which the upsampler begins, (N, 3, R, R), before the factor `upsample_temperature`.
    """

    base: Tensor
    base_steps: Tensor
    upsampler: Tensor


@dataclass(frozen=True)
class Sampler:
    """GLIDE's sampling, with the authors' settings as defaults; `Settings` describes them."""

    base: Network
    upsampler: Network
    guidance_scale: float = 3.0
    base_steps: int = 100
    upsample_steps: Literal["fast27"] | int = "fast27"
    upsample_temperature: float = 0.997

    @torch.no_grad()
    def __call__(
        self, conditions: tuple[Condition, Condition], unconditional: Condition, noise: PictureNoise
    ) -> Tensor:
        """Sample N pictures.

        Args:
            conditions: The N texts as base network and upsampler read them.
            unconditional: The empty text (N = 1) as the base network reads it.
            noise: Noise of the N pictures, on the networks' device.

        Returns:
            Pictures (N, 3, R, R) float32, in -1..1.
        """
        small = sample_base(
            self.base,
            conditions[0],
            unconditional,
            noise,
            steps(squared_cosine(), spaced(self.base_steps)),
            self.guidance_scale,
        )
        kept = fast27() if self.upsample_steps == "fast27" else spaced(self.upsample_steps)
        first = noise.upsampler * self.upsample_temperature
        return sample_upsampler(self.upsampler, conditions[1], eight_bits(small), first, steps(linear(), kept))

    def noise_size(self) -> int:
        """Number of random numbers that one picture takes."""
        small, large = (COLOURS * network.sizes.resolution**2 for network in (self.base, self.upsampler))
        return self.base_steps * small + large

    def arrange(self, noise: Tensor) -> PictureNoise:
        """Split noise as it was drawn, (N, `noise_size`), into that of base network, steps and upsampler."""
        side, large_side = self.base.sizes.resolution, self.upsampler.sizes.resolution
        small = self.base_steps * COLOURS * side**2
        by_step = noise[:, :small].view(-1, self.base_steps, COLOURS, side, side)
        return PictureNoise(by_step[:, 0], by_step[:, 1:], noise[:, small:].view(-1, COLOURS, large_side, large_side))


@torch.no_grad()
def sample_base(
    network: Network,
    condition: Condition,
    unconditional: Condition,
    noise: PictureNoise,
    steps: Sequence[Step],
    guidance_scale: float,
) -> Tensor:
    """Sample small pictures (N, 3, r, r) with DDPM and learned variance.

    Guidance changes the predicted noise only; the variance is the one predicted with the text.
    """
    x, count = noise.base, len(noise.base)
    guided = guidance_scale != 1
    if guided:
        condition = condition.followed_by(unconditional.take(torch.zeros(count, dtype=torch.int64, device=x.device)))
    for number, step in enumerate(steps):
        output = network(torch.cat([x, x]) if guided else x, _timesteps(step, x, 1 + guided), condition)
        if guided:
            output, without = output.chunk(2)
            predicted, variance = output.chunk(2, dim=1)
            without = without[:, :COLOURS]
            output = torch.cat([without + guidance_scale * (predicted - without), variance], dim=1)
        last = number == len(steps) - 1
        x = ddpm_step(step, x, output, None if last else noise.base_steps[:, number])
    return x


@torch.no_grad()
def sample_upsampler(
    network: Network, condition: Condition, small: Tensor, first: Tensor, steps: Sequence[Step]
) -> Tensor:
    """Sample large pictures (N, 3, R, R) from small ones and the noise to begin with: DDIM without guidance."""
    x = first
    for step in steps:
        x = ddim_step(step, x, network(x, _timesteps(step, x), condition, small)[:, :COLOURS])
    return x


def eight_bits(x: Tensor) -> Tensor:
    """Round pictures in -1..1 as storing them with 8 bits does: the upsampler was trained with such pictures."""
    return ((x + 1) * 127.5).round() / 127.5 - 1


def to_images(x: Tensor) -> list[Image.Image]:
    """Turn pictures (N, 3, H, W) in -1..1 into RGB images."""
    pixels = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(np.ascontiguousarray(picture)) for picture in pixels]


def _timesteps(step: Step, x: Tensor, copies: int = 1) -> Tensor:
    return torch.full((copies * len(x),), step.timestep, device=x.device)
