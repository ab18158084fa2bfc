"""Loading a network of transformers from a local folder, with every one of its weights or an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from gill_bench.errors import InputError
from gill_bench.models.sharing import shared
from gill_bench.weights.checkpoints import (
    LOADING_ERRORS,
    check_complete,
    check_network_types,
    first_line,
    loader_options,
    quiet_loading,
)


def shared_network(kind: Any, folder: Path, dtype: torch.dtype, device: str) -> Any:
    """Load a model of transformers, or take the one that another model of this process has; see `load_network`."""
    return shared(kind, folder, dtype, device, lambda: load_network(kind, folder, dtype, device))


def load_network(kind: Any, folder: Path, dtype: torch.dtype, device: str) -> Any:
    """Load a model of transformers, frozen.

    Args:
        kind: Class of transformers with `from_pretrained`.
        folder: Local folder.
        dtype: Of all weights.
        device: A torch device.

    Raises:
        InputError: Files are missing or damaged, or do not hold all weights in their shapes, or hold others or
            whole numbers.
    """
    files = loader_options(folder, "transformers")
    try:
        with quiet_loading("transformers"):
            # What is of another shape is named by the check; the library's own error does not name it.
            network, report = kind.from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **files,
            )
    except LOADING_ERRORS as error:
        raise InputError(f"{folder}: cannot be loaded as {kind.__name__}: {first_line(error)}") from error
    check_complete(report, folder, kind.__name__)
    check_network_types(network, folder, "transformers")
    return freeze(network).to(device)


def freeze(network: nn.Module) -> nn.Module:
    """Set a network to inference."""
    return network.eval().requires_grad_(False)
