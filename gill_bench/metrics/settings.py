"""Checks of a metric's settings and weights that all metrics share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gill_bench.cards.find import Value, explain
from gill_bench.errors import InputError

S = TypeVar("S", bound=BaseModel)


def check_settings(schema: type[S], settings: Mapping[str, Value], metric: str) -> S:
    """The settings of a card as the metric's own `Settings`.

    Raises:
        InputError: A setting is unknown or has a value that is not allowed; names the metric and the setting.
    """
    try:
        return schema.model_validate(dict(settings))
    except ValidationError as error:
        raise InputError(f"{metric}: settings: {explain(error, schema)}") from error


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
