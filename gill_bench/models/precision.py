"""The precision of a model's weights: the names that settings take, and the dtypes of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from gill_bench.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import torch

Precision = Literal["auto", "float32", "float16", "bfloat16"]
_NAMES = ("auto", "float32", "float16", "bfloat16")


def resolve_dtype(name: str, device: str, accelerator: torch.dtype) -> torch.dtype:
    """The dtype that a setting names.

    Args:
        name: "auto", "float32", "float16" or "bfloat16".
        device: A torch device, such as "cpu" or "cuda:0".
        accelerator: The dtype that "auto" stands for on an accelerator; on a CPU "auto" is float32.

    Raises:
        InputError: The name is unknown.
    """
    import torch

    if name not in _NAMES:
        raise InputError(f"dtype = {name!r}; {did_you_mean(name, _NAMES)}")
    if name == "auto":
        return torch.float32 if torch.device(device).type == "cpu" else accelerator
    dtype: torch.dtype = getattr(torch, name)
    return dtype


def bytes_of_precision(name: object, device: str, of_files: str = "") -> int | None:
    """The bytes of a number in the precision that a setting names; None for the precision of the weights' files.

    Args:
        name: The value of the setting; None, or any other value than the names, for a model without such a setting.
        device: A torch device, such as "cpu" or "cuda:0".
        of_files: The precision that "auto" stands for, of a model that takes it from its files; "" for any other model.

    >>> bytes_of_precision("auto", "cpu"), bytes_of_precision("auto", "cuda:0"), bytes_of_precision(None, "cpu")
    (4, 2, None)
    """
    on_cpu = device.partition(":")[0] == "cpu"
    if name == "auto" and of_files:
        name = "float32" if of_files == "float16" and on_cpu else of_files
    if name == "auto":
        return 4 if on_cpu else 2
    return {"float32": 4, "float16": 2, "bfloat16": 2}.get(name) if isinstance(name, str) else None
