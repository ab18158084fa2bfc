"""The official checkpoints: only tensors are unpickled, and every key is accounted for (protocol 5.2)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gill_bench.errors import InputError
from gill_bench.models.glide.files import Name, find_checkpoint
from gill_bench.models.glide.network import Network
from gill_bench.models.glide.sizes import GlideSizes
from gill_bench.weights.tensor_files import check_floating, read_tensor_file

_SHOWN = 3  # keys listed of each kind


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read a state dict onto the CPU; of files in torch's present format the values are mapped, not read.

    Raises:
        InputError: Truncated, or holding anything but floating-point tensors by name.
    """
    state = read_tensor_file(file)
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{file}: expected a dictionary of tensors alone")
    tensors = {str(key): value for key, value in state.items()}
    check_floating(file, {key: value.dtype for key, value in tensors.items()})
    return tensors


def empty_network(sizes: GlideSizes, name: Name) -> Network:
    """A network without values.

    Args:
        sizes: Of both networks.
        name: Which network.
    """
    upsampler = name == "upsample"
    with torch.device("meta"):
        return Network(sizes.upsampler if upsampler else sizes.base, sizes.text, upsampler=upsampler)


def account(file: Path, state: Mapping[str, Tensor], network: Network) -> None:
    """Check that a checkpoint holds exactly the tensors of a network.

    Raises:
        InputError: Names the first keys that are missing, additional, or of another shape.
    """
    expected = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    shapes = [
        f"{key} {found[key]} instead of {shape}"
        for key, shape in expected.items()
        if key in found and found[key] != shape
    ]
    problems = [
        _listed("missing", [key for key in expected if key not in found]),
        _listed("not of GLIDE", [key for key in found if key not in expected]),
        _listed("of another shape", shapes),
    ]
    if any(problems):
        kind = "upsampler" if network.upsampler else "base network"
        raise InputError(
            f"{file}: expected the {len(expected)} tensors of GLIDE's {kind}; " + "; ".join(filter(None, problems))
        )


def load_network(folder: Path, name: Name, sizes: GlideSizes, dtype: torch.dtype, device: str) -> Network:
    """Load a network, ready to sample.

    Args:
        folder: Of the checkpoint.
        name: Which network.
        sizes: Of both networks.
        dtype: Of all but norms, time embedding and last layer, which are float32.
        device: A torch device.

    Raises:
        InputError: File or tensors are missing, damaged, or of another model.
    """
    file = find_checkpoint(folder, name)
    state = read_tensors(file)
    network = empty_network(sizes, name)
    account(file, state, network)
    for key, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{file}: {key} holds values that are not finite; download it again")
    # A copy, because the tensors of the file are mapped from it.
    network.load_state_dict({key: value.to(torch.float32, copy=True) for key, value in state.items()}, assign=True)
    network.set_torso(dtype)
    return network.to(device).eval().requires_grad_(False)


def _listed(what: str, items: list[str]) -> str:
    if not items:
        return ""
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return f"{what}: {', '.join(items[:_SHOWN])}{more}"
