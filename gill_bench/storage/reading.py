"""Reading text and JSON files of users; errors name the file and the position of the fault."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError
from gill_bench.storage.paths import refuse_special

_POINTER = b"version https://git-lfs"
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but the tab and the line feed


def has_controls(text: str) -> bool:
    """Whether a text has characters that control a terminal: they can hide, colour and overwrite what is shown."""
    return _CONTROLS.search(text) is not None


def visible(text: str) -> str:
    """A text with its control characters written out, so that a terminal shows them and does not obey them.

    >>> print(visible("a\x1b[2Jb"))
    a\\x1b[2Jb
    """
    return _CONTROLS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def refuse_pointer(file: Path, content: bytes | None = None) -> None:
    """Refuse the pointer that Git LFS leaves in place of a file that it has not fetched.

    Args:
        file: The file.
        content: The file's content or its beginning; None if it was not read yet.

    Raises:
        InputError: The file is such a pointer; says how to get the real one.
    """
    if content is None:
        with file.open("rb") as opened:
            content = opened.read(len(_POINTER))
    if content.startswith(_POINTER):
        raise InputError(
            f"{file}: a Git LFS pointer in the place of the file; fetch it with 'git lfs pull' in its folder, or"
            " download it again"
        )


def shorten(text: str, most: int = 80) -> str:
    """The beginning of a text, for a message.

    >>> shorten("12345678", 5)
    '12345…'
    """
    return text if len(text) <= most else f"{text[:most]}…"


def read_bytes(file: Path) -> bytes:
    """The content of a file.

    Raises:
        InputError: The file is missing, unreadable, no regular file, or a Git LFS pointer.
    """
    try:
        refuse_special(file)
        content = file.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{file}: no such file") from error
    except NotADirectoryError as error:
        raise InputError(f"{file.parent}: a file, expected a folder with {file.name}") from error
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
    refuse_pointer(file, content)
    return content


def read_text(file: Path) -> str:
    """The UTF-8 text of a file as it stands, line ends included; a byte order mark is skipped.

    Raises:
        InputError: The file is missing, unreadable, no regular file, not UTF-8, or a Git LFS pointer.
    """
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start}; download it again") from error


def read_json_value(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: The file cannot be read, is cut in the middle (named by line and column), or has an object with a
            key that occurs twice.
    """
    return json_value(read_text(file), str(file))


def json_value(text: str, where: str, *, of_line: bool = False) -> Any:
    """The value of a text in JSON.

    Args:
        text: The text.
        where: File, or file and line, for errors.
        of_line: Whether the text is one line of a file, and not a whole file.

    Raises:
        InputError: The text cannot be read as JSON, or has an object with a key that occurs twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_without_repeated_keys)
    except json.JSONDecodeError as error:
        position = f"column {error.colno}" if of_line else f"line {error.lineno}, column {error.colno}"
        advice = (
            "the line is cut, or is not one JSON value" if of_line else "the file is cut or damaged: download it again"
        )
        raise InputError(f"{where}: cannot be read as JSON: {position}: {error.msg}; {advice}") from error
    except _RepeatedKeyError as error:
        raise InputError(f"{where}: an object has the key {str(error)[:80]!r} twice") from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError(f"{where}: cannot be read as JSON: {error}") from error
    except RecursionError as error:
        raise InputError(f"{where}: nested too deeply to be one of the expected files") from error


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object.

    Raises:
        InputError: The file cannot be read as JSON (see `read_json_value`), or holds something else than an object.
    """
    value = read_json_value(file)
    if not isinstance(value, dict):
        raise InputError(f"{file}: expected a JSON object at the top, found {type(value).__name__}")
    return value


class _RepeatedKeyError(Exception):
    pass


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that an object has twice: the library would keep the last, and nobody knows which was meant."""
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return table
