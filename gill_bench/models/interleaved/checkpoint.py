"""The files of a GILL or FROMAGe checkpoint: finding the one with the weights, and reading its tensors by key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gill_bench.errors import InputError
from gill_bench.weights.tensor_entries import TensorEntry
from gill_bench.weights.tensor_files import read_entries, read_state

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")

NAMES = ("pretrained_ckpt.pth.tar", "pretrained_ckpt.safetensors", "ckpt_best.pth.tar", "ckpt.pth.tar")
"""File names of a checkpoint's weights, in the order in which they are looked for: released ones, then training's."""
_WRAPPERS = ("module.", "_orig_mod.")


def find_checkpoint(folder: Path, model: str) -> Path:
    """The file with the weights in a checkpoint folder; a released file comes before one that training wrote.

    Raises:
        InputError: The folder has no such file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; expected a {model} checkpoint: model_args.json and {NAMES[0]}")
    for name in NAMES:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"{folder}: no weights in it; expected one of {', '.join(NAMES)}")


def read_tensors(file: Path) -> dict[str, Tensor]:
    """Read named tensors onto the CPU, from a safetensors file or from the `state_dict` of a torch file.

    Every `module.` (of data-parallel training) and `_orig_mod.` (of a compiled model) is removed from the keys. Other
    entries of a torch file, such as the optimizer, are ignored.

    Raises:
        InputError: The file is missing, truncated or holds anything but plain data; it has no state dict, two tensors
            of one key, or a tensor that does not hold floating-point numbers.
    """
    return _without_wrappers(file, read_state(file, "state_dict"))


def read_tensor_entries(file: Path) -> dict[str, TensorEntry]:
    """Types and shapes of the tensors that `read_tensors` reads, without their values; the errors are the same."""
    return _without_wrappers(file, read_entries(file, "state_dict"))


def _without_wrappers(file: Path, content: Mapping[str, T]) -> dict[str, T]:
    state = {re.sub("|".join(map(re.escape, _WRAPPERS)), "", key): value for key, value in content.items()}
    if len(state) < len(content):
        raise InputError(
            f"{file}: has tensors twice, with and without {' or '.join(map(repr, _WRAPPERS))} in their keys"
        )
    return state
