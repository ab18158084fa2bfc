"""LPIPS, composed from the parts of the lpips package so that features of a picture are computed once.

The value is that of `lpips.LPIPS.forward`. The class `lpips.LPIPS` is not used whole: it builds the trunk through
torchvision with deprecated arguments, draws 61 million random numbers from the global generator, and computes the
features of both pictures in every call.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import lpips
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms import functional as F

from gill_bench.errors import InputError
from gill_bench.metrics.picture import PictureMetric
from gill_bench.weights.network_tensors import check_shapes, shapes_of
from gill_bench.weights.tensor_files import read_state

_ALEX = (64, 192, 384, 256, 256)
MINI_CHANNELS = (16, 32, 48, 32, 32)
"""Channels of the five stages of the mini backbone."""
# AlexNet's convolutions: index in torchvision's `features`, kernel, stride, padding, and whether a pooling precedes.
_STAGES = ((0, 11, 4, 2, False), (3, 5, 1, 2, True), (6, 3, 1, 1, True), (8, 3, 1, 1, False), (10, 3, 1, 1, False))
_CLASSIFIER = {f"classifier.{index}.{kind}" for index in (1, 4, 6) for kind in ("weight", "bias")}


class Trunk(nn.Module):
    """The convolutions of AlexNet in the five stages of lpips; the weights have torchvision's keys."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.features = nn.ModuleDict()
        before = 3
        for (index, kernel, stride, padding, _), after in zip(_STAGES, channels, strict=True):
            # The meta device draws no initial values from the global generator; every weight is loaded afterwards.
            self.features[str(index)] = nn.Conv2d(
                before, after, kernel_size=kernel, stride=stride, padding=padding, device="meta"
            )
            before = after

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """Activations after each stage's ReLU."""
        outputs = []
        for (_, _, _, _, pooled), convolution in zip(_STAGES, self.features.values(), strict=True):
            if pooled:
                pixels = nn.functional.max_pool2d(pixels, kernel_size=3, stride=2)
            pixels = nn.functional.relu(convolution(pixels))
            outputs.append(pixels)
        return outputs


class Lpips(PictureMetric):
    """LPIPS distance of two pictures, 0 for equal ones.

    Args:
        trunk: The network whose activations are compared.
        linear: For each stage one non-negative weight per channel, (1, C, 1, 1).
        size: The side, in pixels, to which pictures are squashed.
        name: "lpips", or "lpips[mini]".
    """

    higher_is_better = False

    def __init__(self, trunk: Trunk, linear: Sequence[torch.Tensor], size: int, name: str) -> None:
        super().__init__()
        self.trunk = trunk.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.scaling = lpips.ScalingLayer()
        self.linear = nn.ParameterList(nn.Parameter(weight, requires_grad=False) for weight in linear)
        self.size = size
        self.name = name

    def _prepare(self, image: Image.Image) -> torch.Tensor:
        """One picture (3, size, size) in -1..1, resized as a float tensor and not quantised again."""
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(127.5).sub_(1)
        resized: torch.Tensor = F.resize(pixels, [self.size, self.size], antialias=True)
        return resized

    def _embed(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        channels_last = pixels.to(self.scaling.shift.device).contiguous(memory_format=torch.channels_last)
        activations = self.trunk(self.scaling(channels_last))
        return [lpips.normalize_tensor(activation) for activation in activations]

    def _compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        return _distance(generated, reference, list(self.linear))


def weighted_distance(
    first: Sequence[torch.Tensor], second: Sequence[torch.Tensor], linear: Sequence[torch.Tensor]
) -> torch.Tensor:
    """LPIPS (N,) of two batches of pictures, from the activations (N, C, H, W) and linear weights of each stage."""
    normalised = [[lpips.normalize_tensor(activation) for activation in side] for side in (first, second)]
    return _distance(normalised[0], normalised[1], linear)


def _distance(
    first: Sequence[torch.Tensor], second: Sequence[torch.Tensor], linear: Sequence[torch.Tensor]
) -> torch.Tensor:
    distance = torch.zeros((), device=first[0].device)
    for features, target, weight in zip(first, second, linear, strict=True):
        distance = distance + lpips.spatial_average(nn.functional.conv2d((features - target) ** 2, weight))
    return distance.flatten()


def load_alex(file: Path, version: str, size: int, name: str) -> Lpips:
    """Load a trunk from torchvision's state dict, and the linear layers from the wheel of lpips.

    Raises:
        InputError: The file holds no state dict of AlexNet; the message has the file and the key.
    """
    state = read_state(file)
    trunk = _fill(Trunk(_ALEX), {key: value for key, value in state.items() if key not in _CLASSIFIER}, file)
    shipped = Path(lpips.__file__).parent / "weights" / f"v{version}" / "alex.pth"
    layers = torch.load(shipped, map_location="cpu", weights_only=True)
    return Lpips(trunk, [layers[f"lin{stage}.model.1.weight"] for stage in range(len(_ALEX))], size, name)


def load_mini(folder: Path, size: int, name: str) -> Lpips:
    """Load the mini backbone.

    Raises:
        InputError: The file is damaged, or `write_mini` did not write it.
    """
    file = folder / "model.safetensors"
    state = read_state(file)
    linear = [state.pop(f"lin{stage}.weight", None) for stage in range(len(MINI_CHANNELS))]
    weights = [weight for weight in linear if weight is not None]
    if [tuple(weight.shape) for weight in weights] != [(1, width, 1, 1) for width in MINI_CHANNELS]:
        raise InputError(f"{file}: linear layers are missing or of another shape; build the mini weights again")
    return Lpips(_fill(Trunk(MINI_CHANNELS), state, file), [weight.float() for weight in weights], size, name)


def write_mini(
    folder: Path,
    trunk: Mapping[str, torch.Tensor],
    linear: Sequence[torch.Tensor],
    config: Mapping[str, object],
) -> None:
    """Write a mini backbone in half precision.

    Args:
        folder: The folder that gets `model.safetensors` and `config.json`.
        trunk: The state dict of a `Trunk` with `MINI_CHANNELS`.
        linear: The linear weights of each stage, (1, C, 1, 1).
        config: What `gill_bench.metrics.lpips.check` reads.
    """
    state = {**trunk, **{f"lin{stage}.weight": weight for stage, weight in enumerate(linear)}}
    folder.mkdir(parents=True, exist_ok=True)
    half = {name: tensor.detach().half().contiguous() for name, tensor in state.items()}
    save_file(half, folder / "model.safetensors")
    text = json.dumps({**config, "channels": list(MINI_CHANNELS)}, indent=2, sort_keys=True)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")


def _fill(trunk: Trunk, state: Mapping[str, torch.Tensor], file: Path) -> Trunk:
    check_shapes(file, shapes_of(trunk.state_dict()), shapes_of(state), "AlexNet", "AlexNet, as torchvision names them")
    trunk.load_state_dict({key: value.float() for key, value in state.items()}, assign=True)
    return trunk
