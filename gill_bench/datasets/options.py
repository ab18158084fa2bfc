"""Values of a card's tables that a reader takes: checked here, with the nearest allowed value where one is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from gill_bench.cards.find import Value
from gill_bench.errors import InputError, did_you_mean

_Name = TypeVar("_Name", bound=str)


def choice(table: Mapping[str, Value], key: str, allowed: Iterable[_Name]) -> _Name:
    """The name under a key, by default the first that is allowed.

    Raises:
        InputError: It is not allowed.
    """
    names = list(allowed)
    value = table.get(key, names[0])
    for name in names:
        if value == name:
            return name
    raise InputError(f"{key} = {value!r}; {did_you_mean(str(value), names)}")


def count(table: Mapping[str, Value], key: str, default: int) -> int:
    """The whole number under a key, 0 or more.

    Raises:
        InputError: It is no such number.
    """
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InputError(f"{key} = {value!r}; expected a whole number, 0 or more")
    return value


def text(table: Mapping[str, Value], key: str, default: str) -> str:
    """The text under a key.

    Raises:
        InputError: It is no text.
    """
    value = table.get(key, default)
    if not isinstance(value, str):
        raise InputError(f"{key} = {value!r}; expected a text")
    return value
