"""The tensors of a file against those of a network: keys, shapes and values, for checkpoints of one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gill_bench.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

_SHOWN = 3  # keys that an error lists of each kind


class Shaped(Protocol):
    """A tensor, or the entry of one in a file."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""


def check_shapes(
    file: Path, expected: Mapping[str, tuple[int, ...]], shapes: Mapping[str, tuple[int, ...]], model: str, network: str
) -> None:
    """Check that a file has exactly the tensors of a network.

    Args:
        file: The file, for errors.
        expected: Shape of each of the network's tensors by key.
        shapes: Shape of each of the file's tensors by key.
        model: Name of the model, for errors, such as "GLIDE".
        network: Name of the network, for errors, such as "GLIDE's base network".

    Raises:
        InputError: Names the first keys that are missing, additional, or of another shape.
    """
    misshapen = [
        f"{key} {shapes[key]} instead of {shape}"
        for key, shape in expected.items()
        if key in shapes and shapes[key] != shape
    ]
    problems = [
        _listed("missing", [key for key in expected if key not in shapes]),
        _listed(f"not of {model}", [key for key in shapes if key not in expected]),
        _listed("of another shape", misshapen),
    ]
    if any(problems):
        raise InputError(
            f"{file}: expected the {len(expected)} tensors of {network}; " + "; ".join(filter(None, problems))
        )


def check_finite(file: Path, state: Mapping[str, Tensor]) -> None:
    """Check that tensors hold finite numbers only.

    Raises:
        InputError: A tensor holds NaN or an infinity; names file and key.
    """
    import torch

    for key, value in state.items():
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"{file}: {key} holds values that are not finite; download it again")


def shapes_of(state: Mapping[str, Shaped]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor by key."""
    return {key: tuple(value.shape) for key, value in state.items()}


def _listed(problem: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return f"{problem}: {', '.join(keys[:_SHOWN])}{more}"
