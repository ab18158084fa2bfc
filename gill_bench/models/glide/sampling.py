"""Sampling from conditions and given noise: both networks, and the way from one to the other (protocol 5.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gill_bench.models.glide.network import COLOURS, Condition, Network
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


class PictureNoise(NamedTuple):
    """The standard normal noise of N pictures.

    Attributes:
        base: (N, 3, r, r), what the base network begins with.
        base_steps: (N, S - 1, 3, r, r), what each of its S steps adds, but the last, which adds none.
        upsampler: (N, 3, R, R), what the upsampler begins with, before it is multiplied with the temperature.
    """

    base: Tensor
    base_steps: Tensor
    upsampler: Tensor


@dataclass(frozen=True)
class Sampler:
    """GLIDE's sampling, with the authors' settings as defaults.

    Attributes:
        base: The base network.
        upsampler: The upsampler.
        guidance_scale: Classifier-free guidance of the base network; 1 means none.
        base_steps: S.
        upsample_steps: A number, or the authors' schedule.
        upsample_temperature: Factor of the upsampler's first noise.
    """

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
            conditions: Of the N texts, by base network and upsampler.
            unconditional: Of no text (N = 1), by the base network.
            noise: On the networks' device.

        Returns:
            (N, 3, R, R) float32, in -1..1.
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
        """How many numbers the noise of one picture has."""
        small, large = (COLOURS * network.sizes.resolution**2 for network in (self.base, self.upsampler))
        return self.base_steps * small + large

    def arrange(self, noise: Tensor) -> PictureNoise:
        """Take noise as it was drawn, (N, `noise_size`), apart: base network, its steps in order, upsampler."""
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
    """Sample small pictures (N, 3, r, r): DDPM with learned variance.

    Guidance changes the predicted noise alone: the variance is that which the network gives with the text.
    """
    x, count = noise.base, len(noise.base)
    guided = guidance_scale != 1
    if guided:
        condition = condition.followed_by(unconditional.take(torch.zeros(count, dtype=torch.int64, device=x.device)))
    for place, step in enumerate(steps):
        output = network(torch.cat([x, x]) if guided else x, _timesteps(step, x, 1 + guided), condition)
        if guided:
            output, without = output.chunk(2)
            predicted, variance = output.chunk(2, dim=1)
            without = without[:, :COLOURS]
            output = torch.cat([without + guidance_scale * (predicted - without), variance], dim=1)
        last = place == len(steps) - 1
        x = ddpm_step(step, x, output, None if last else noise.base_steps[:, place])
    return x


@torch.no_grad()
def sample_upsampler(
    network: Network, condition: Condition, small: Tensor, first: Tensor, steps: Sequence[Step]
) -> Tensor:
    """Sample large pictures (N, 3, R, R) from small ones and the first noise: DDIM without guidance."""
    x = first
    for step in steps:
        x = ddim_step(step, x, network(x, _timesteps(step, x), condition, small)[:, :COLOURS])
    return x


def eight_bits(x: Tensor) -> Tensor:
    """Pictures in -1..1, as they are after having been stored with 8 bits: the upsampler was trained with those."""
    return ((x + 1) * 127.5).round() / 127.5 - 1


def to_images(x: Tensor) -> list[Image.Image]:
    """Pictures (N, 3, H, W) in -1..1 as RGB images."""
    pixels = ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(np.ascontiguousarray(picture)) for picture in pixels]


def _timesteps(step: Step, x: Tensor, copies: int = 1) -> Tensor:
    return torch.full((copies * len(x),), step.timestep, device=x.device)
