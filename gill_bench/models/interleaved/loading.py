"""A frozen network of transformers on a device: loaded for one model, or shared with others of this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from gill_bench.models.sharing import shared
from gill_bench.weights.loading import read_network


def shared_network(kind: Any, folder: Path, dtype: torch.dtype, device: str) -> Any:
    """The network of a folder: loaded with `load_network`, or shared with another model of this process."""
    return shared(kind, folder, dtype, device, lambda: read_network(kind, folder, dtype))


def load_network(kind: Any, folder: Path, dtype: torch.dtype, device: str) -> Any:
    """Load a network with `read_network`, and freeze it."""
    return freeze(read_network(kind, folder, dtype)).to(device)


def freeze(network: nn.Module) -> nn.Module:
    """Set a network to inference, without gradients, and return it."""
    return network.eval().requires_grad_(False)
