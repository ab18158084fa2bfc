"""The components that an adapter needs: whether a card named them all, and no others."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.errors import InputError


def expect_components(weights: Mapping[str, Path], *names: str) -> None:
    """Check that a card names exactly the components that its adapter reads.

    Raises:
        InputError: A component is missing, or the adapter does not know one.
    """
    if set(weights) != set(names):
        expected = " and ".join(map(repr, names)) + (" alone" if len(names) == 1 else "")
        raise InputError(f"weights: expected {expected}, got {sorted(weights)}")
