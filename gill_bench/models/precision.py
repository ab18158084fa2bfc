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
