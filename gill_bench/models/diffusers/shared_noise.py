"""The paper's noise: one generator that serves all examples in order (protocol 1.14).

A sample with `Noise.skip` = k gets the generator in the state that it has after k latents. To get there, latents are
drawn from the last remembered position before k, so that any order of samples gives the same pictures and the usual
order costs next to nothing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

import torch

from gill_bench.errors import InputError
from gill_bench.interfaces import Noise


class Latents(NamedTuple):
    """Shape (1, C, H, W) and dtype of the latent that a pipeline draws for one picture."""

    shape: tuple[int, ...]
    dtype: torch.dtype

    @classmethod
    def of(cls, pipeline: object) -> Latents:
        """The latents of a pipeline at its native size.

        Raises:
            InputError: The pipeline has no UNet, whose config has the size.
        """
        unet = getattr(pipeline, "unet", None)
        text_encoder = getattr(pipeline, "text_encoder", None)
        if unet is None or text_encoder is None:
            raise InputError(
                f"noise = 'shared' is known for pipelines with a UNet, not for {type(pipeline).__name__}; "
                "use noise = 'per-example'"
            )
        size = unet.config.sample_size
        height, width = (size, size) if isinstance(size, int) else size
        return cls((1, unet.config.in_channels, height, width), text_encoder.dtype)

    def draw(self, generator: torch.Generator) -> None:
        """Advance a generator by one picture's latent."""
        torch.randn(self.shape, generator=generator, dtype=self.dtype)


class Positions:
    """The positions to which shared generators have been advanced.

    Args:
        capacity: Number of generators remembered, 5 kB each; with more seeds than this at once, latents are drawn
            again, which takes time and changes nothing.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._reached: OrderedDict[tuple[int, Latents], tuple[int, torch.Tensor]] = OrderedDict()

    def generator(self, noise: Noise, latents: Latents) -> torch.Generator:
        """A new generator that has produced `noise.skip` latents; earlier calls only make this faster."""
        generator = torch.Generator().manual_seed(noise.seed)
        key = (noise.seed, latents)
        reached = self._reached.pop(key, None)
        position = 0
        if reached is not None and reached[0] <= noise.skip:
            position = reached[0]
            generator.set_state(reached[1])
        for _ in range(position, noise.skip):
            latents.draw(generator)
        self._reached[key] = (noise.skip, generator.get_state())
        while len(self._reached) > self._capacity:
            self._reached.popitem(last=False)
        return generator


_positions = Positions(capacity=256)


def generator_for(noise: Noise, latents: Latents | None) -> torch.Generator:
    """The CPU generator of one picture. `latents` is needed for shared noise only."""
    if latents is None or noise.skip == 0:
        return torch.Generator().manual_seed(noise.seed)
    return _positions.generator(noise, latents)


def assert_one_draw(
    scheduler: object, noise: Sequence[Noise], used: Sequence[torch.Generator], latents: Latents
) -> None:
    """Refuse samplers that draw at every step, since the paper's generator would then not be `skip` latents on.

    Raises:
        InputError: A used generator is not exactly one latent further than before the call.
    """
    for item, generator in zip(noise, used, strict=True):
        expected = generator_for(item, latents)
        latents.draw(expected)
        if not torch.equal(expected.get_state(), generator.get_state()):
            raise InputError(
                f"noise = 'shared' needs a sampler that draws the first latent only, {type(scheduler).__name__} draws "
                "more; use scheduler = 'ddim' or noise = 'per-example'"
            )
