"""Checks of a metric's settings and weights that all metrics share."""

from __future__ import annotations

from pathlib import Path

from gill_bench.errors import InputError


def need_weights(weights: Path | None, metric: str, what: str) -> Path:
    """The path of the weights of a metric that cannot work without them.

    Args:
        weights: The path of the weights that the card names; None if it names none.
        metric: Name of the metric, for the message.
        what: The noun for the expected file or folder, such as "the CLIP folder", for the message.

    Raises:
        InputError: `weights` is None.
    """
    if weights is None:
        raise InputError(f"{metric} needs weights: name {what} under [metrics.weights] of the card")
    return weights
