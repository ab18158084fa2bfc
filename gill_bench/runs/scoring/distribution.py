"""placeholder"""

from __future__ import annotations

from typing import Any


def score(*a: Any) -> None: ...
def numbers(*a: Any) -> list[Any]:
    return []
