"""Training of LPIPS-mini: AlexNet's five stages with few channels name the factors of a scene, then linear weights.

As in LPIPS, the trunk learns to classify, and the weights of its channels, which are not negative, are learnt on pairs
of pictures with the trunk frozen. People's judgements of pairs are replaced by an order that nobody doubts: the same
scene with the thing elsewhere, then another thing on the same background, then another scene.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import cast

import lpips
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, relu, softplus
from torchvision.transforms.functional import resize

from gill_bench.metrics.backbones.lpips import MINI_CHANNELS, Trunk, weighted_distance, write_mini
from gill_bench.metrics.lpips import MINI_SIZE, mini_config
from gill_bench.mini.train.factors import FACTORS, factors_of
from gill_bench.mini.train.loop import Stage, TrainingWork
from gill_bench.mini.train.pool import pool
from gill_bench.mini.train.vae import scaled

PAIRS = ("position", "object", "scene")
"""The kinds of pairs, from the smallest distance to the largest."""
_NAMED = 4  # of `FACTORS`: a thing at another position has the same name
_NAMING_STAGES = (2, 3, 4)  # every place of these stages sees most of the picture
_MARGIN = 0.15  # the least difference of the distances of two kinds of pairs
_FAR = 0.7  # the mean distance of two scenes, as of two photos with AlexNet


class LpipsNetwork(nn.Module):
    """The trunk, readers of its last stages, and the linear weights before softplus makes them positive."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = Trunk(MINI_CHANNELS).to_empty(device="cpu")
        for convolution in self.trunk.features.values():
            nn.init.kaiming_normal_(cast("Tensor", convolution.weight), nonlinearity="relu")
            nn.init.zeros_(cast("Tensor", convolution.bias))
        values = sum(map(len, FACTORS[:_NAMED]))
        self.readers = nn.ModuleList(nn.Conv2d(MINI_CHANNELS[stage], values, 1) for stage in _NAMING_STAGES)
        self.linear = nn.ParameterList(nn.Parameter(torch.zeros(1, width, 1, 1)) for width in MINI_CHANNELS)
        self.scaling = lpips.ScalingLayer()

    def stages(self, pixels: Tensor) -> list[Tensor]:
        """Activations of pictures (N, 3, 32, 32), 0..255, which are enlarged as the metric enlarges them."""
        enlarged = resize(scaled(pixels), [MINI_SIZE, MINI_SIZE], antialias=True)
        return cast("list[Tensor]", self.trunk(self.scaling(enlarged)))

    def weights(self) -> list[Tensor]:
        """The linear weights of each stage, (1, C, 1, 1), above zero."""
        return [softplus(weight) for weight in self.linear]


class LpipsStage(Stage):
    """Training by naming factors at every place, and by the order of distances of made pairs."""

    name = "lpips-mini"
    steps = 2000
    rate = 2e-3
    averaged = 0.99
    batch = 24

    def __init__(self, work: TrainingWork) -> None:
        self.work = work
        singles = pool("train", work.seed, doubles=0)
        self.pixels = singles.pixels
        self.factors = torch.tensor([factors_of(scene) for scene in singles.scenes])

    def build(self) -> nn.Module:
        """A new network."""
        return LpipsNetwork()

    def loss(self, model: nn.Module, rng: random.Random) -> dict[str, Tensor]:
        """The losses of one batch, in float32."""
        network = cast("LpipsNetwork", model)
        first = torch.randint(len(self.pixels), (self.batch,))
        seconds = [made_pairs(self.factors, first, kind) for kind in PAIRS]
        picked = torch.cat([first, *seconds])
        with torch.autocast("cpu", enabled=False):
            stages = network.stages(self.pixels[picked])
            naming = [
                _unnamed(reader(stages[stage]), self.factors[picked])
                for reader, stage in zip(network.readers, _NAMING_STAGES, strict=True)
            ]
            parts = [torch.split(stage.detach(), self.batch) for stage in stages]
            near, object_, scene = (
                weighted_distance([part[0] for part in parts], [part[number] for part in parts], network.weights())
                for number in range(1, 1 + len(PAIRS))
            )
            order = relu(near + _MARGIN - object_).mean() + relu(object_ + _MARGIN - scene).mean()
            return {
                "naming": torch.stack(naming).mean(),
                "order": order,
                "range": (scene.mean() - _FAR).square(),
            }

    @torch.no_grad()
    def finish(self, model: nn.Module, folder: Path) -> dict[str, float]:
        """Write the backbone; measure mean distances of pairs of unseen scenes, and the share in the right order."""
        network = cast("LpipsNetwork", model)
        write_mini(folder, network.trunk.state_dict(), network.weights(), mini_config())
        unseen = pool("val", self.work.seed, doubles=0)
        factors = torch.tensor([factors_of(scene) for scene in unseen.scenes])
        first = torch.randint(len(factors), (512,))
        stages = network.stages(unseen.pixels[first])
        distances = [
            weighted_distance(
                stages, network.stages(unseen.pixels[made_pairs(factors, first, kind)]), network.weights()
            )
            for kind in PAIRS
        ]
        near, object_, scene = distances
        measured = {f"other {kind}": float(values.mean()) for kind, values in zip(PAIRS, distances, strict=True)}
        return {**measured, "in order": float(((near < object_) & (object_ < scene)).float().mean())}


def made_pairs(factors: Tensor, first: Tensor, kind: str) -> Tensor:
    """For each scene with one thing a second one, drawn with torch's global generator.

    Args:
        factors: The factors (N, 5) of the scenes of a split, as `factors_of` numbers them.
        first: The numbers (M,) of the first scenes.
        kind: "position": the same thing elsewhere; "object": a thing of another shape and colour on the same
            background, there or elsewhere; "scene": another background, shape and colour.

    Returns:
        The numbers (M,) of the second scenes.
    """
    own, others = factors[first][:, None], factors[None]
    differs = own != others  # (M, N, 5)
    background, shape, colour, size, position = differs.unbind(-1)
    if kind == "position":
        fits = ~(background | shape | colour | size) & position
    elif kind == "object":
        fits = ~background & shape & colour & ~(position & (torch.rand(len(first), 1) < 0.5))
    else:
        fits = background & shape & colour
    return torch.multinomial(fits.float(), 1).squeeze(1)


def _unnamed(logits: Tensor, factors: Tensor) -> Tensor:
    """The mean cross-entropy of the factors, named at every place of a stage: logits (N, V, H, W), factors (N, 5)."""
    parts = torch.split(logits, [len(names) for names in FACTORS[:_NAMED]], dim=1)
    height_and_width = logits.shape[-2:]
    losses = [
        cross_entropy(part, factors[:, number, None, None].expand(-1, *height_and_width))
        for number, part in enumerate(parts)
    ]
    return torch.stack(losses).mean()
