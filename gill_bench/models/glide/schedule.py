"""Noise schedules, the timesteps of them that sampling visits, and one step of each sampler (protocol 5.4).

The schedulers of diffusers (checked with 0.42) do not fit: `DDPMScheduler` draws its noise itself, where here noise
belongs to a picture, and its float32 tables move a step of the cosine schedule by up to 4e-5; `DDIMScheduler` takes
evenly spaced steps only, which "fast27" is not. The tests compare with both. The tables here are float64, as in the
authors' code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, pairwise, repeat
from operator import mul
from typing import NamedTuple

import torch
from torch import Tensor

TRAINED = 1000
"""Number of timesteps in the training of both networks."""
_MAX_BETA = 0.999
_SMALLEST_VARIANCE = 1e-20


class Step(NamedTuple):
    """One step of sampling.

    Attributes:
        timestep: Timestep of training that the network is given, 0..999.
        signal: Share of the picture in the variance of the noisy picture (alpha bar) before this step.
        next_signal: The same share after the step; 1 after the last step.
    """

    timestep: int
    signal: float
    next_signal: float

    @property
    def beta(self) -> float:
        """Variance of the noise that this step removes."""
        return 1 - self.signal / self.next_signal


def squared_cosine() -> list[float]:
    """Signal (alpha bar) at each of the base network's 1000 timesteps: betas of a squared cosine, at most 0.999."""

    def level(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    times = [timestep / TRAINED for timestep in range(TRAINED + 1)]
    kept = (1 - min(1 - level(after) / level(before), _MAX_BETA) for before, after in pairwise(times))
    return list(accumulate(kept, mul))


def linear() -> list[float]:
    """Signal (alpha bar) at each of the upsampler's 1000 timesteps: betas from 1e-4 to 0.02."""
    betas = (1e-4 + (0.02 - 1e-4) * timestep / (TRAINED - 1) for timestep in range(TRAINED))
    return list(accumulate((1 - beta for beta in betas), mul))


def spaced(count: int, length: int = TRAINED) -> list[int]:
    """`count` (2 or more) evenly spaced ones of `length` timesteps, first and last included, rounded half to even."""
    stride = (length - 1) / (count - 1)
    # Adding the stride up, as the authors do, rounds some halves the other way than multiplying it.
    return [round(timestep) for timestep in accumulate(repeat(stride, count - 1), initial=0.0)]


def fast27() -> list[int]:
    """The authors' 27 timesteps of the upsampler: denser where there is little noise, and with 997 instead of 999."""
    length = TRAINED // 5
    kept = [
        section * length + timestep
        for section, count in enumerate((10, 10, 3, 2, 2))
        for timestep in spaced(count, length)
    ]
    return [*kept[:-1], TRAINED - 3]


def steps(signals: Sequence[float], timesteps: Sequence[int]) -> list[Step]:
    """The steps of sampling in order, from the noisiest to the last.

    Args:
        signals: Signal at each timestep of training.
        timesteps: Timesteps that sampling visits, ascending.
    """
    after = [1.0, *(signals[timestep] for timestep in timesteps)]
    visited = [Step(timestep, signals[timestep], after[number]) for number, timestep in enumerate(timesteps)]
    return visited[::-1]


def ddpm_step(step: Step, x: Tensor, output: Tensor, noise: Tensor | None) -> Tensor:
    """Draw less noisy pictures, one step of DDPM.

    Args:
        step: The step.
        x: Noisy pictures (N, C, H, W).
        output: Output of the network (N, 2 C, H, W): the noise, and the log-variance as a position between its smallest
            and largest value (-1..1).
        noise: Standard normal noise (N, C, H, W); None = take the mean instead of drawing.
    """
    predicted, position = output.chunk(2, dim=1)
    picture = _picture(step, x, predicted)
    mean = (
        step.beta * math.sqrt(step.next_signal) / (1 - step.signal) * picture
        + (1 - step.next_signal) * math.sqrt(1 - step.beta) / (1 - step.signal) * x
    )
    if noise is None:
        return mean
    smallest = math.log(max(step.beta * (1 - step.next_signal) / (1 - step.signal), _SMALLEST_VARIANCE))
    share = (position + 1) / 2
    log_variance = share * math.log(step.beta) + (1 - share) * smallest
    return mean + torch.exp(0.5 * log_variance) * noise


def ddim_step(step: Step, x: Tensor, predicted: Tensor) -> Tensor:
    """Compute less noisy pictures, one step of DDIM without new noise (eta 0).

    Args:
        step: The step.
        x: Noisy pictures (N, C, H, W).
        predicted: The noise that the network predicts in x, (N, C, H, W). The picture that it gives is clipped, and
            the noise computed again from the clipped picture.
    """
    picture = _picture(step, x, predicted)
    noise = (math.sqrt(1 / step.signal) * x - picture) / math.sqrt(1 / step.signal - 1)
    return math.sqrt(step.next_signal) * picture + math.sqrt(1 - step.next_signal) * noise


def _picture(step: Step, x: Tensor, predicted: Tensor) -> Tensor:
    """Remove the predicted noise from x, and clip the resulting picture to -1..1."""
    return (math.sqrt(1 / step.signal) * x - math.sqrt(1 / step.signal - 1) * predicted).clamp(-1, 1)
