"""What every metric with settings and a backbone asks of its card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from gill_bench.cards.find import Value, explain
from gill_bench.errors import InputError

S = TypeVar("S", bound=BaseModel)


def check_settings(schema: type[S], settings: Mapping[str, Value], metric: str) -> S:
    """Settings of a card as the metric's own type.

    Raises:
        InputError: A setting is unknown or has a value that is not allowed; names the metric and the setting.
    """
    try:
        return schema.model_validate(dict(settings))
    except ValidationError as error:
        raise InputError(f"{metric}: settings: {explain(error, schema)}") from error


def need_weights(weights: Path | None, metric: str, what: str) -> Path:
    """The path of a backbone without which the metric cannot work.

    Args:
        weights: As found for the card, None if it names none.
        metric: Its name.
        what: The file or folder that is wanted, such as "the CLIP folder".

    Raises:
        InputError: There is none.
    """
    if weights is None:
        raise InputError(f"{metric} needs weights: name {what} under [metrics.weights] of the card")
    return weights
