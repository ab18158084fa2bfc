"""Checks of names that become parts of paths, for runs, cards, annotations and listings of weights.

A name may come from a file that a stranger wrote, so it must not lead out of the folder that it is joined to.
"""

from __future__ import annotations

from pathlib import PurePath, PureWindowsPath

from gill_bench.storage.reading import has_controls

_LONGEST = 255  # bytes: the longest name that common file systems accept


def name_problem(name: object) -> str:
    """The reason why a value cannot be the name of one file or folder; "" if it can.

    >>> name_problem("vist"), name_problem("../vist")
    ('', "is not the name of one file or folder: no '/', '\\\\' or ':', and not '..'")
    """
    if not isinstance(name, str):
        return f"is no name but a value of type {type(name).__name__}"
    if name in ("", ".", "..") or any(mark in name for mark in "/\\:"):
        return "is not the name of one file or folder: no '/', '\\' or ':', and not '..'"
    return _problem_of_text(name)


def path_problem(path: str) -> str:
    """The reason why a text cannot be a path, of one or several parts, inside a folder; "" if it can.

    >>> path_problem("train2014/1.jpg"), path_problem("/etc/passwd")
    ('', 'leaves the folder that it is in')
    """
    parts = {*PurePath(path).parts, *PureWindowsPath(path).parts}
    if PurePath(path).is_absolute() or PureWindowsPath(path).anchor or ".." in parts:
        return "leaves the folder that it is in"
    return _problem_of_text(path)


def _problem_of_text(text: str) -> str:
    if has_controls(text) or "\t" in text or "\n" in text:
        return "has control characters, which no name has"
    try:
        if len(text.encode()) > _LONGEST:
            return f"is longer than the {_LONGEST} bytes that file systems take"
    except UnicodeEncodeError:
        return "has half of a surrogate pair, which is no text"
    return ""
