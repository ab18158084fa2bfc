"""Training of SD-mini's autoencoder, which has a factor of 4 and four latent channels."""

from __future__ import annotations

import random
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gill_bench.mini.scene import BACKGROUNDS, SIDE, render_background
from gill_bench.mini.train.loop import Stage, TrainingWork
from gill_bench.mini.train.pool import pool

_THINGS = 3  # the additional weight of a pixel that is not background
_NORMAL = 1e-6  # the weight of the divergence from the normal distribution, in nats per picture


class VaeStage(Stage):
    """Training of the autoencoder by absolute and squared errors of pixels, with a small loss on the latents."""

    name = "vae"
    steps = 2000
    rate = 2e-3
    averaged = 0.99
    batch = 32

    def __init__(self, work: TrainingWork) -> None:
        self.pool = pool("train", work.seed)
        self.work = work
        empty = {name: torch.from_numpy(np.array(render_background(name))).permute(2, 0, 1) for name in BACKGROUNDS}
        grounds = torch.stack([empty[scene.background] for scene in self.pool.scenes])
        self.weights = 1 + _THINGS * (self.pool.pixels != grounds).any(dim=1, keepdim=True)

    def build(self) -> nn.Module:
        """A new `AutoencoderKL` with three levels."""
        diffusers: Any = import_module("diffusers")
        model: nn.Module = diffusers.AutoencoderKL(
            block_out_channels=(16, 32, 64),
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=8,
            sample_size=SIDE,
        )
        return model

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """The losses of one batch."""
        picked = self.pool.pick(self.batch)
        pixels, weights = scaled(self.pool.pixels[picked]), self.weights[picked]
        posterior = model.encode(pixels).latent_dist  # type: ignore[operator]
        restored = model.decode(posterior.sample()).sample  # type: ignore[operator]
        difference = restored.float() - pixels
        return {
            "absolute": (weights * difference.abs()).mean(),
            "square": (weights * difference.square()).mean(),
            "normal": _NORMAL * posterior.kl().mean(),
        }

    @torch.no_grad()
    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Write the model, with the scaling factor that gives latents variance 1; measure errors of unseen pictures."""
        latents = latents_of(model, self.pool.pixels[:1024])
        model.register_to_config(scaling_factor=round(1 / float(latents.std()), 5))  # type: ignore[operator]
        model.save_pretrained(folder)  # type: ignore[operator]
        pixels = scaled(pool("val", self.work.seed).pixels)
        restored = model.decode(latents_of(model, pixels)).sample  # type: ignore[operator]
        error = float((restored - pixels).abs().mean()) * 127.5
        return {"mean absolute error of 255": error, "latent std": float(latents.std())}


def scaled(pixels: Tensor) -> Tensor:
    """Pixels of 0..255 scaled to -1..1."""
    return pixels.float() / 127.5 - 1


@torch.no_grad()
def latents_of(vae: nn.Module, pixels: Tensor) -> Tensor:
    """The means (N, 4, 8, 8) of the latents of pictures, without the scaling factor."""
    if pixels.dtype == torch.uint8:
        pixels = scaled(pixels)
    batches = [vae.encode(part).latent_dist.mean for part in torch.split(pixels, 128)]  # type: ignore[operator]
    return torch.cat(batches)
