"""Reading annotation files: whatever is wrong with one is said with its name and place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError


def read_json_file(file: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object; a byte order mark is passed over.

    Raises:
        InputError: Unreadable, cut in the middle, or not an object; with line and column.
    """
    try:
        value = json.loads(file.read_text(encoding="utf-8-sig"), object_pairs_hook=_without_repeated_keys)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}: line {error.lineno}, column {error.colno}: {error.msg};"
            " the file is cut or damaged: download it again"
        ) from error
    except _RepeatedKeyError as error:
        raise InputError(f"{file}: an object has the key {str(error)!r} twice") from error
    except RecursionError as error:
        raise InputError(f"{file}: nested too deeply to be an annotation file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start}; download it again") from error
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    if not isinstance(value, dict):
        raise InputError(f"{file}: expected a JSON object at the top, found {type(value).__name__}")
    return value


class _RepeatedKeyError(Exception):
    pass


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON allows a key twice and the library keeps the last: which of the two was meant, nobody knows."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _RepeatedKeyError(next(name for name in names if names.count(name) > 1))
    return found


def is_encodable(text: str) -> bool:
    """Whether a text is one: JSON can hold halves of surrogate pairs, which no file or tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def list_of(value: Any, key: str, where: str) -> list[Any]:
    """The list under a key of an object.

    Raises:
        InputError: There is none.
    """
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise InputError(f"{where}: key {key!r}: expected a list, as in the official files")
    return found
