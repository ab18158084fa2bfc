"""Finding code by its registered name: a built-in module, or an entry point of an installed package."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points

from gill_bench.errors import InputError, did_you_mean


def registered(kind: str, name: str, builtin: Mapping[str, str], group: str) -> object:
    """The module or object that is registered under a name.

    Args:
        kind: The noun for errors, such as "metric".
        name: The name in the card.
        builtin: The built-in modules by name.
        group: The group of entry points in which other packages register theirs.

    Raises:
        InputError: Nothing has this name; the message offers the nearest name.
    """
    if name in builtin:
        return import_module(builtin[name])
    external = {point.name: point for point in entry_points(group=group)}
    if name in external:
        return external[name].load()
    raise InputError(f"no {kind} named {name!r}; {did_you_mean(name, [*builtin, *external])}")
