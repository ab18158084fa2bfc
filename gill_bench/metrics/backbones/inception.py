"""FID's Inception-v3 (`inception-2015-12-05`), with the networks and resizers of clean-fid, in clean-fid's three modes.

The modes differ in how a picture becomes 299 x 299 pixels: "legacy_pytorch" uses torch's bilinear filter without
antialiasing (as pytorch-fid), "legacy_tensorflow" resizes inside the network (the original FID), "clean" uses PIL's
bicubic filter for each channel in float. clean-fid downloads the weights unchecked and unpickles them; here they come
from a file that the caller names, read with `weights_only=True` or as TorchScript.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import get_args
from unittest import mock

import numpy as np
import torch
from cleanfid import inception_pytorch
from cleanfid.inception_torchscript import InceptionV3W
from cleanfid.resize import build_resizer
from numpy.typing import NDArray
from PIL import Image

from gill_bench.errors import InputError, did_you_mean, first_line
from gill_bench.metrics.backbones.inception_files import STATE_DICT, WEIGHTS, Mode, check_inception
from gill_bench.weights.tensor_files import LOADING_ERRORS, check_floating

_Network = Callable[[torch.Tensor], torch.Tensor]


class Inception:
    """The last pooling layer of FID's Inception-v3.

    Attributes:
        name: "inception-v3-" and the mode.
        dim: The length of a feature vector, 2048.
    """

    dim = 2048

    def __init__(self, network: _Network, mode: Mode, device: str) -> None:
        self.name = f"inception-v3-{mode}"
        self._network = network
        self._device = device
        with warnings.catch_warnings():  # clean-fid switches off all warnings of the process
            self._resize = build_resizer(mode)

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Features (N, 2048) of N RGB pictures."""
        return self.features([self.pixels(image) for image in images])

    @torch.inference_mode()
    def features(self, pixels: Sequence[torch.Tensor]) -> NDArray[np.float32]:
        """Features (N, 2048) of N prepared pictures."""
        features = np.empty((len(pixels), self.dim), dtype=np.float32)
        # The network that resizes inside gets pictures in their own sizes, and a batch holds pictures of one size.
        for shape in dict.fromkeys(value.shape for value in pixels):
            same_size = [index for index, value in enumerate(pixels) if value.shape == shape]
            batch = torch.stack([pixels[index] for index in same_size]).to(self._device)
            features[same_size] = self._network(batch).float().cpu().numpy()
        return features

    @torch.inference_mode()
    def pixels(self, image: Image.Image) -> torch.Tensor:
        """An RGB picture as the network reads it: (3, H, W), float32 in 0..255, rounded as clean-fid does."""
        resized: NDArray[np.generic] = self._resize(np.array(image))
        pixels = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1)))
        if pixels.dtype == torch.uint8:
            return pixels.float().div(255).mul(255)
        return pixels


def load_inception(weights: Path, mode: Mode = "legacy_pytorch", device: str = "cpu") -> Inception:
    """Load FID's Inception-v3.

    Args:
        weights: The file of `WEIGHTS[mode]`, or the folder in which it lies.
        mode: One of clean-fid's modes.
        device: The network's device.

    Raises:
        InputError: There is no such mode; or the file is missing, damaged, or of another network.
    """
    if mode not in get_args(Mode):
        raise InputError(f"no mode {mode!r} of Inception; {did_you_mean(mode, get_args(Mode))}")
    file = check_inception(weights, mode)
    try:
        network = _from_state_dict(file, device) if WEIGHTS[mode] is STATE_DICT else _from_script(file, mode, device)
    except LOADING_ERRORS as error:
        raise InputError(
            f"{file}: cannot be loaded as the Inception of {mode}: {first_line(error)}; "
            f"expected {WEIGHTS[mode].file} from {WEIGHTS[mode].url}"
        ) from error
    return Inception(network, mode, device)


def _from_state_dict(file: Path, device: str) -> _Network:
    state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError("not a state dict, a mapping of names to tensors")
    check_floating(file, {key: value.dtype for key, value in state.items()}, ("num_batches_tracked",))
    # clean-fid's constructor downloads the weights itself and takes no others, so its download function is replaced. It
    # also draws initial values, which must not change the state of torch's global generator.
    with (
        mock.patch.object(inception_pytorch, "load_state_dict_from_url", return_value=state),
        warnings.catch_warnings(action="ignore", category=UserWarning),
        torch.random.fork_rng(devices=[]),
    ):
        network = inception_pytorch.InceptionV3(output_blocks=[3], resize_input=False)
    network = network.eval().to(device)

    def features(pixels: torch.Tensor) -> torch.Tensor:
        flat: torch.Tensor = network(pixels / 255)[0].flatten(1)
        return flat

    return features


def _from_script(file: Path, mode: Mode, device: str) -> _Network:
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # torch.jit.load is deprecated
        network = InceptionV3W(str(file.parent), download=False, resize_inside=mode == "legacy_tensorflow")
    check_floating(file, {key: value.dtype for key, value in network.named_parameters()})
    placed: _Network = network.eval().to(device)
    return placed
