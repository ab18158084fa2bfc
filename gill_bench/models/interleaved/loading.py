"""Loading a network of transformers from a local folder: with all of its weights, or with an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from gill_bench.errors import InputError, first_line
from gill_bench.models.sharing import shared
from gill_bench.weights.checkpoints import (
    LOCAL_ONLY,
    check_complete,
    check_network_types,
    loader_options,
    quiet_loading,
)
from gill_bench.weights.tensor_files import LOADING_ERRORS


def shared_network(kind: Any, folder: Path, dtype: torch.dtype, device: str) -> Any:
    """The network of a folder: loaded with `load_network`, or shared with another model of this process."""
    return shared(kind, folder, dtype, device, lambda: load_network(kind, folder, dtype, device))


def load_network(kind: Any, folder: Path, dtype: torch.dtype, device: str) -> Any:
    """Load a network of transformers, and freeze it.

    Args:
        kind: Class of transformers with `from_pretrained`.
        folder: Local folder.
        dtype: Precision of all weights.
        device: A torch device.

    Raises:
        InputError: Files are missing or damaged, lack a weight, or hold a weight of another shape, of another network
            or of whole numbers.
    """
    files = loader_options(folder, "transformers")
    try:
        with quiet_loading("transformers"):
            # `check_complete` names a weight of another shape; the library's own error does not.
            network, report = kind.from_pretrained(
                folder,
                dtype=dtype,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **LOCAL_ONLY,
                **files,
            )
    except LOADING_ERRORS as error:
        raise InputError(f"{folder}: cannot be loaded as {kind.__name__}: {first_line(error)}") from error
    check_complete(report, folder, kind.__name__)
    check_network_types(network, folder, "transformers")
    return freeze(network).to(device)


def freeze(network: nn.Module) -> nn.Module:
    """Set a network to inference, without gradients, and return it."""
    return network.eval().requires_grad_(False)
