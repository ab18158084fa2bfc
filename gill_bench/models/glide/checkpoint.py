"""Reading GLIDE's checkpoints: only tensors are unpickled, and every key is accounted for (protocol 5.2)."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from gill_bench.models.empty_network import without_values
from gill_bench.models.glide.files import Name, find_checkpoint
from gill_bench.models.glide.network import Network
from gill_bench.models.glide.shapes import check_network
from gill_bench.models.glide.sizes import GlideSizes
from gill_bench.weights.network_tensors import check_finite
from gill_bench.weights.tensor_files import read_state


def empty_network(sizes: GlideSizes, name: Name) -> Network:
    """Build a network without values."""
    upsampler = name == "upsample"
    with without_values():
        return Network(sizes.upsampler if upsampler else sizes.base, sizes.text, upsampler=upsampler)


def read_network(folder: Path, name: Name, sizes: GlideSizes) -> tuple[Network, dict[str, Tensor]]:
    """Read a network's file, and check that it holds exactly the network's tensors.

    Returns:
        The network without values, and its values by key, mapped from the file.

    Raises:
        InputError: Names the file, and the first keys that are missing, additional, or of another shape.
    """
    file = check_network(folder, name, sizes)
    return empty_network(sizes, name), read_state(file)


def load_network(folder: Path, name: Name, sizes: GlideSizes, dtype: torch.dtype, device: str) -> Network:
    """Load a network, ready to sample."""
    network, state = read_network(folder, name, sizes)
    check_finite(find_checkpoint(folder, name), state)
    # A copy, because the tensors of the file are mapped from it.
    network.load_state_dict({key: value.to(torch.float32, copy=True) for key, value in state.items()}, assign=True)
    network.set_torso(dtype)
    return network.to(device).eval().requires_grad_(False)
