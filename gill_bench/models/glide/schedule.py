"""Noise schedules, the steps that sampling keeps of them, and one step of each sampler (protocol 5.4).

Not the schedulers of diffusers (checked with 0.42): `DDPMScheduler` draws its noise itself, where ours belongs to a
picture, and its float32 tables move a step of the cosine schedule by up to 4e-5; `DDIMScheduler` knows evenly spaced
steps only, which "fast27" is not. The tests compare with both. The tables here are float64, as the original's.
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
"""Timesteps of both networks' training."""
_MAX_BETA = 0.999
_SMALLEST_VARIANCE = 1e-20


class Step(NamedTuple):
    """One step of sampling.

    Attributes:
        timestep: What the network is told: a number of training, 0..999.
        signal: Share of the picture in the variance of its noisy form (alpha bar) at this step.
        next_signal: The same after the step; 1 after the last.
    """

    timestep: int
    signal: float
    next_signal: float

    @property
    def beta(self) -> float:
        """Variance of the noise that leads from the step's result back to its beginning."""
        return 1 - self.signal / self.next_signal


def squared_cosine() -> list[float]:
    """Signal (alpha bar) at each of the base network's 1000 timesteps: betas of a squared cosine, at most 0.999."""

    def level(time: float) -> float:
        return math.cos((time + 0.008) / 1.008 * math.pi / 2) ** 2

    times = [place / TRAINED for place in range(TRAINED + 1)]
    kept = (1 - min(1 - level(after) / level(before), _MAX_BETA) for before, after in pairwise(times))
    return list(accumulate(kept, mul))


def linear() -> list[float]:
    """Signal (alpha bar) at each of the upsampler's 1000 timesteps: betas from 1e-4 to 0.02."""
    betas = (1e-4 + (0.02 - 1e-4) * place / (TRAINED - 1) for place in range(TRAINED))
    return list(accumulate((1 - beta for beta in betas), mul))


def spaced(count: int, length: int = TRAINED) -> list[int]:
    """`count` (2 or more) of `length` timesteps, from the first to the last, the stride rounded half to even."""
    stride = (length - 1) / (count - 1)
    # Added up, not multiplied, as the original does: it decides which way halves are rounded.
    return [round(place) for place in accumulate(repeat(stride, count - 1), initial=0.0)]


def fast27() -> list[int]:
    """The authors' 27 timesteps of the upsampler: more of them where there is little noise, and 997 for 999."""
    length = TRAINED // 5
    kept = [
        section * length + place for section, count in enumerate((10, 10, 3, 2, 2)) for place in spaced(count, length)
    ]
    return [*kept[:-1], TRAINED - 3]


def steps(signals: Sequence[float], timesteps: Sequence[int]) -> list[Step]:
    """The steps of sampling in their order, from the noisiest on.

    Args:
        signals: Of all timesteps of training.
        timesteps: Those kept, ascending.
    """
    after = [1.0, *(signals[timestep] for timestep in timesteps)]
    kept = [Step(timestep, signals[timestep], after[place]) for place, timestep in enumerate(timesteps)]
    return kept[::-1]


def ddpm_step(step: Step, x: Tensor, output: Tensor, noise: Tensor | None) -> Tensor:
    """Draw from the distribution one step nearer to the picture.

    Args:
        step: Which one.
        x: (N, C, H, W).
        output: (N, 2 C, H, W), noise and place of the log-variance between its smallest and largest value (-1..1).
        noise: (N, C, H, W), standard normal; None for the mean.
    """
    predicted, place = output.chunk(2, dim=1)
    picture = _picture(step, x, predicted)
    mean = (
        step.beta * math.sqrt(step.next_signal) / (1 - step.signal) * picture
        + (1 - step.next_signal) * math.sqrt(1 - step.beta) / (1 - step.signal) * x
    )
    if noise is None:
        return mean
    smallest = math.log(max(step.beta * (1 - step.next_signal) / (1 - step.signal), _SMALLEST_VARIANCE))
    share = (place + 1) / 2
    log_variance = share * math.log(step.beta) + (1 - share) * smallest
    return mean + torch.exp(0.5 * log_variance) * noise


def ddim_step(step: Step, x: Tensor, predicted: Tensor) -> Tensor:
    """Go one step nearer to the picture, without new noise (eta 0).

    Args:
        step: Which one.
        x: (N, C, H, W).
        predicted: (N, C, H, W), the noise in x; taken again from the picture that it gives, after that is clipped.
    """
    picture = _picture(step, x, predicted)
    noise = (math.sqrt(1 / step.signal) * x - picture) / math.sqrt(1 / step.signal - 1)
    return math.sqrt(step.next_signal) * picture + math.sqrt(1 - step.next_signal) * noise


def _picture(step: Step, x: Tensor, predicted: Tensor) -> Tensor:
    """The picture that x is, if this is the noise in it, clipped to -1..1."""
    return (math.sqrt(1 / step.signal) * x - math.sqrt(1 / step.signal - 1) * predicted).clamp(-1, 1)
