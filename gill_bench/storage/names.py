"""Names that become parts of paths: one check for those in runs, cards, annotations and listings of weights.

Whoever wrote the file that a name comes from, the name must stay in the folder that it is joined to.
"""

from __future__ import annotations

from pathlib import PurePath, PureWindowsPath

from gill_bench.storage.reading import has_controls

_LONGEST = 255  # bytes; what common file systems take


def name_problem(name: object) -> str:
    """Why a value cannot be the name of one file or folder, or "".

    >>> name_problem("vist"), name_problem("../vist")
    ('', "is not the name of one file or folder: no '/', '\\\\' or ':', and not '..'")
    """
    if not isinstance(name, str):
        return f"is no name but a value of type {type(name).__name__}"
    if name in ("", ".", "..") or any(mark in name for mark in "/\\:"):
        return "is not the name of one file or folder: no '/', '\\' or ':', and not '..'"
    return _problem_of_text(name)


def path_problem(path: str) -> str:
    """Why a text cannot be a path inside a folder, of one or several parts, or "".

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
