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
        value = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(
            f"{file}: line {error.lineno}, column {error.colno}: {error.msg};"
            " the file is cut or damaged: download it again"
        ) from error
    except RecursionError as error:
        raise InputError(f"{file}: nested too deeply to be an annotation file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: not UTF-8 at byte {error.start}; download it again") from error
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}") from error
    if not isinstance(value, dict):
        raise InputError(f"{file}: expected a JSON object at the top, found {type(value).__name__}")
    return value


def list_of(value: Any, key: str, where: str) -> list[Any]:
    """The list under a key of an object.

    Raises:
        InputError: There is none.
    """
    found = value.get(key) if isinstance(value, dict) else None
    if not isinstance(found, list):
        raise InputError(f"{where}: key {key!r}: expected a list, as in the official files")
    return found
