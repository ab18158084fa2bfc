"""Small feature networks for the tests of FID and KID, and pictures in files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from PIL import Image
from torch import nn


class Grid:
    """A feature extractor without weights: the means of 4 x 4 fields of each channel, 48 features."""

    name = "grid"
    dim = 48

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        pixels = np.stack([np.asarray(image.resize((64, 64))) for image in images]).astype(np.float32)
        return grid(torch.from_numpy(pixels).permute(0, 3, 1, 2)).numpy()


def grid(pixels: torch.Tensor) -> torch.Tensor:
    """The features (N, 48) of pictures (N, 3, H, W) of one size, 0..255."""
    pooled: torch.Tensor = nn.functional.adaptive_avg_pool2d(pixels / 255, 4).flatten(1)
    return pooled


def write_pictures(folder: Path, count: int, seed: int = 0, size: tuple[int, int] = (64, 64)) -> list[Path]:
    """Write pictures of coloured noise, which is smooth enough to stay visible when resized, and return their files."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for number in range(count):
        coarse = Image.fromarray(rng.integers(0, 256 - 8 * seed, (9, 9, 3), dtype=np.uint8))
        file = folder / f"{number:04}.png"
        coarse.resize(size, Image.Resampling.BICUBIC).save(file)
        files.append(file)
    return files


def inception_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Make a random state dict in the layout of pytorch-fid's file, whose features differ from picture to picture."""
    from pytorch_fid import inception

    built: list[nn.Module] = []

    def build(**options: Any) -> nn.Module:
        built.append(torchvision.models.inception_v3(**options, init_weights=False))
        return built[0]

    # The constructor loads what it has just drawn instead of downloading.
    with (
        mock.patch.object(inception, "_inception_v3", side_effect=build),
        mock.patch.object(inception, "load_state_dict_from_url", side_effect=lambda *_, **__: built[0].state_dict()),
    ):
        inception.fid_inception_v3()
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    for name, value in built[0].state_dict().items():
        if value.ndim > 1:
            state[name] = torch.randn(value.shape, generator=generator) * (2 / value[0].numel()) ** 0.5
        else:
            state[name] = value.clone()
    return state


class Layers(nn.Module):
    """The layers of the TorchScript network: from pictures in -1..1 to 2048 features."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 7, stride=4)
        self.second = nn.Conv2d(8, 2048, 5, stride=4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(torch.relu(self.first(x))))
        mean: torch.Tensor = x.mean(dim=[2, 3])
        return mean


class Scripted(nn.Module):
    """A network with the interface of `inception-2015-12-05.pt`: it resizes pictures, and its `layers` do not."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()

    def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        x = nn.functional.interpolate(img, size=(299, 299), mode="bilinear", align_corners=False)
        x = (x - 128.0) / 128.0
        features: torch.Tensor = self.layers(x)
        return features


def write_script(file: Path) -> Path:
    """Write a random stand-in for the TorchScript file of the modes clean and legacy_tensorflow."""
    torch.manual_seed(0)
    torch.jit.save(torch.jit.script(Scripted().eval()), str(file))
    return file
