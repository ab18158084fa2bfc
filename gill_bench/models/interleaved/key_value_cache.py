"""Keys and values of OPT, under the names that the library gives them: `cache` since transformers 5.24."""

from __future__ import annotations

import inspect
from typing import Any

_OLD, _NEW = "past_key_values", "cache"


def argument_of(decoder: Any) -> str:
    """The argument by which a decoder takes the keys and values of what it has read."""
    # Newer versions take the old name too, with a warning. The class is asked, as the object's method may be wrapped.
    return _NEW if _NEW in inspect.signature(type(decoder).forward).parameters else _OLD


def cache_of(output: Any) -> Any:
    """The keys and values in a decoder's output."""
    return output[_NEW] if _NEW in output else output[_OLD]
