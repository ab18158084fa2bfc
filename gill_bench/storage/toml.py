"""Writing TOML, for which Python has no writer; texts, numbers, lists and tables are all that cards and runs hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def to_toml(table: Mapping[str, Any]) -> str:
    """A table as TOML: values first, then tables, each list of tables as an array of tables.

    >>> print(to_toml({"seeds": 5, "settings": {"a.b": {"x": 3.0}}, "run": [{"tasks": ["vist"]}]}), end="")
    seeds = 5
    <BLANKLINE>
    [settings."a.b"]
    x = 3.0
    <BLANKLINE>
    [[run]]
    tasks = ["vist"]
    """
    return "\n".join(_lines(table)).lstrip("\n") + "\n"


def _lines(table: Mapping[str, Any], name: str = "", header: str = "[{}]") -> Iterator[str]:
    values = {key: value for key, value in table.items() if not _is_table(value) and not _are_tables(value)}
    if name and (values or not table or header == "[[{}]]"):
        yield "\n" + header.format(name)
    yield from (f"{_key(key)} = {_value(value)}" for key, value in values.items())
    for key, value in table.items():
        below = f"{name}.{_key(key)}".removeprefix(".")
        if _is_table(value):
            yield from _lines(value, below)
        elif _are_tables(value):
            for single in value:
                yield from _lines(single, below, "[[{}]]")


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _are_tables(value: object) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(map(_is_table, value))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    """A text, number, bool or list; JSON writes them as TOML does, except for the character 0x7f."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
