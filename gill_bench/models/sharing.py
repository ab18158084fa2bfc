"""One copy of each frozen network: models of one process that read the same files share its weights.

GILL, its variants and Stable Diffusion end in the same image decoder, and GILL and FROMAGe read through the same OPT
and CLIP. The references here are weak: a network lives as long as a model that holds it, and nothing needs clearing.
Schedulers and tokenizers, which have a state or settings of their own, are never shared.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from weakref import WeakValueDictionary

import torch
from torch import nn

from gill_bench.storage.digests import file_stamp


class _Key(NamedTuple):
    """Class, precision, device and file stamps of a network; networks with equal keys are the same."""

    kind: str
    dtype: torch.dtype
    device: torch.device
    files: tuple[tuple[str | int, ...], ...]


_networks: WeakValueDictionary[_Key, nn.Module] = WeakValueDictionary()


def shared(kind: type, folder: Path, dtype: torch.dtype, device: str, load: Callable[[], nn.Module]) -> nn.Module:
    """The network of a folder: the one that a living model holds already, else a new one.

    Args:
        kind: Class of the network.
        folder: Folder of the network's files; if a file changes, the network is loaded anew.
        dtype: Precision of the weights.
        device: A torch device.
        load: Function that loads the network; called only if no model holds it.

    Returns:
        The network on the device, set to inference and without gradients. Its weights must not be changed.
    """
    files = tuple(file_stamp(file) for file in sorted(folder.glob("*")) if file.is_file())
    key = _Key(f"{kind.__module__}.{kind.__qualname__}", dtype, torch.empty(0, device=device).device, files)
    network = _networks.get(key)
    if network is None:
        network = load().eval().requires_grad_(False).to(device)
        _networks[key] = network
    return network
