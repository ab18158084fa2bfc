"""Loading a network of transformers from a local folder, with every one of its weights or an error."""

from __future__ import annotations

import logging
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from gill_bench.errors import InputError

_log = logging.getLogger(__name__)
# What transformers, safetensors and torch raise for files that are missing, damaged or of another model.
LOADING_ERRORS = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    RuntimeError,
    EOFError,
    SafetensorError,
    pickle.UnpicklingError,
)


def load_network(kind: Any, folder: Path, dtype: torch.dtype, device: str) -> Any:
    """Load a model of transformers, frozen.

    Args:
        kind: Class of transformers with `from_pretrained`.
        folder: Local folder.
        dtype: Of all weights.
        device: A torch device.

    Raises:
        InputError: Files are missing or damaged, or do not hold all weights in their shapes.
    """
    try:
        with _own_report():
            network, report = kind.from_pretrained(
                folder, dtype=dtype, local_files_only=True, output_loading_info=True
            )
    except LOADING_ERRORS as error:
        raise InputError(f"{folder}: cannot be loaded as {kind.__name__}: {first_line(error)}") from error
    wrong = sorted(report["missing_keys"]) or sorted(str(item[0]) for item in report["mismatched_keys"])
    if wrong:
        raise InputError(
            f"{folder}: {len(wrong)} weights of {kind.__name__} are missing or of another shape, the first is"
            f" {wrong[0]!r}; the files are damaged or of another model"
        )
    if report["unexpected_keys"]:
        _log.debug("%s: %d weights are not of %s", folder, len(report["unexpected_keys"]), kind.__name__)
    return freeze(network).to(device)


def freeze(network: nn.Module) -> nn.Module:
    """Set a network to inference."""
    return network.eval().requires_grad_(False)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind."""
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


@contextmanager
def _own_report() -> Iterator[None]:
    """Without the library's progress bars and its report of keys, which are checked here."""
    from transformers.utils import logging as library

    level, bars = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity_error()
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(level)
        if bars:
            library.enable_progress_bar()
