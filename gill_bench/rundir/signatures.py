"""Signatures, `name:value|name:value|...`: how two of them differ, and other values for some of their fields."""

from __future__ import annotations

from collections.abc import Mapping


def signature_differences(first: str, second: str) -> list[tuple[str, str, str]]:
    """The fields in which two signatures differ: name, first value, second value; "absent" for a field that one lacks.

    >>> signature_differences("resize:squash|net:alex", "resize:clip|net:alex")
    [('resize', 'squash', 'clip')]
    """
    left, right = _fields(first), _fields(second)
    names = dict.fromkeys((*left, *right))
    values = [(name, left.get(name, "absent"), right.get(name, "absent")) for name in names]
    return [item for item in values if item[1] != item[2]] or [("signature", first, second)]


def describe_differences(first: str, second: str, most: int = 3) -> str:
    """The differences as words, for messages.

    >>> describe_differences("resize:squash|net:alex", "resize:clip|net:alex")
    "resize is 'squash' and 'clip'"
    """
    differences = signature_differences(first, second)
    words = [f"{name} is {left!r} and {right!r}" for name, left, right in differences[:most]]
    return "; ".join([*words, *([f"{len(differences) - most} more fields differ"] if len(differences) > most else [])])


def field_of(signature: str, name: str) -> str:
    """The value of a field of a signature; "" if it has no such field.

    >>> field_of("task:vist|data:sis/val", "data"), field_of("task:vist", "data")
    ('sis/val', '')
    """
    return _fields(signature).get(name, "")


def _fields(signature: str) -> dict[str, str]:
    parts = (part.partition(":") for part in signature.split("|"))
    return {name: value for name, _, value in parts}


def with_fields(signature: str, fields: Mapping[str, str]) -> str:
    """A signature with other values in some of its fields; a field with the value "" is left out.

    >>> with_fields("fid|kid:100x1000|n-1", {"kid": "100x5"}), with_fields("fid|kid:100x1000", {"kid": ""})
    ('fid|kid:100x5|n-1', 'fid')
    """
    kept = []
    for part in signature.split("|"):
        name, colon, _ = part.partition(":")
        if colon and name in fields:
            part = f"{name}:{fields[name]}" if fields[name] else ""
        if part:
            kept.append(part)
    return "|".join(kept)
