"""Shapes of a network's tensors by key: a checkpoint is checked by them, without torch, before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping

Shapes = Mapping[str, tuple[int, ...]]


def layer_shapes(name: str, *weight: int) -> dict[str, tuple[int, ...]]:
    """The shapes of a layer's weight and of its bias, which is as long as the weight's first dimension.

    Args:
        name: The layer's name in the network.
        *weight: The shape of the weight.

    >>> layer_shapes("fc", 4, 3)
    {'fc.weight': (4, 3), 'fc.bias': (4,)}
    """
    return {f"{name}.weight": weight, f"{name}.bias": weight[:1]}


def under(name: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The shapes of a part of a network, by keys that begin with the part's name."""
    return {f"{name}.{key}": shape for key, shape in shapes.items()}
