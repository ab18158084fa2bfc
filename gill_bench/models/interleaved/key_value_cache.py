"""The name of OPT's cache of keys and values: `cache` since transformers 5.24, `past_key_values` before."""

from __future__ import annotations

import inspect
from typing import Any

_OLD, _NEW = "past_key_values", "cache"


def argument_of(decoder: Any) -> str:
    """The name of the argument by which a decoder takes its cache of keys and values."""
    # Newer versions take the old name too, with a warning. The class is inspected, since the object's method may be
    # wrapped.
    return _NEW if _NEW in inspect.signature(type(decoder).forward).parameters else _OLD


def cache_of(output: Any) -> Any:
    """The cache of keys and values in a decoder's output."""
    return output[_NEW] if _NEW in output else output[_OLD]
