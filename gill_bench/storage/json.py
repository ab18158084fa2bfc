"""JSON that gill-bench writes itself: equal values give equal bytes, and no number is NaN or infinite."""

from __future__ import annotations

import json
import math
from typing import Any


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Serialise with sorted keys and without NaN, so that equal values give equal bytes."""
    separators = (",", ":") if indent is None else None
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False, indent=indent, separators=separators)


def from_json(text: str) -> Any:
    """The value of JSON that gill-bench wrote itself (`to_json`), which never has NaN or infinities.

    Raises:
        ValueError: The text is no JSON, has such a number, or is nested too deeply.
    """
    try:
        return _OUR_DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not a finite number")
    return value


# One decoder for all calls: json.loads would build a new one for each of a run's hundred thousand lines.
_OUR_DECODER = json.JSONDecoder(parse_constant=_finite, parse_float=_finite)
