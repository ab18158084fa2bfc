"""Reading and writing the files that gill-bench keeps for itself, with one error for files that are damaged.

A sealed file is a JSON object with its own SHA-256, so that one flipped bit is found. Only regular files are read: a
folder, a pipe or a symbolic link in the place of a file is damage like any other, and is never opened.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gill_bench.errors import InputError
from gill_bench.storage.digests import digest
from gill_bench.storage.files import remove_folder, write_atomic
from gill_bench.storage.json import from_json, to_json
from gill_bench.storage.paths import is_remote, kind_of

SEAL = "sha256"
"""The key under which a sealed object holds its own digest."""
ASIDE = ".damaged"
"""The end of the name of a file that was put aside."""


def sealed(value: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with its own digest, by which `from_sealed_json` finds out whether it was altered."""
    return {**value, SEAL: digest(value)}


def from_sealed_json(content: str | dict[str, Any]) -> dict[str, Any]:
    """The object that `sealed` returned, checked.

    Args:
        content: The object's JSON, or the object that was read from it.

    Raises:
        ValueError: The text is not JSON as gill-bench writes it, or the object was altered since, or has no seal.
    """
    value = from_json(content) if isinstance(content, str) else content
    if not isinstance(value, dict):
        raise ValueError(f"expected an object, found {type(value).__name__}")
    if SEAL not in value:
        raise ValueError(f"altered since it was written: its {SEAL!r} is gone")
    if value[SEAL] != digest({name: field for name, field in value.items() if name != SEAL}):
        raise ValueError("altered since it was written: its SHA-256 differs")
    return value


class NotAFileError(OSError):
    """There is a folder, link, pipe or the like where a file of gill-bench should be."""


class DamagedFileError(InputError):
    """A file that gill-bench wrote is not as it was written.

    Attributes:
        reason: The fault, without the name of the file.
        lasting: Whether the file itself is damaged; False if a disk or network failed while reading it.
    """

    def __init__(self, message: str, reason: str = "", *, lasting: bool = True) -> None:
        super().__init__(message)
        self.reason, self.lasting = reason, lasting


def check_is_file(path: Path) -> None:
    """Check that a path is that of a regular file, without opening it.

    Raises:
        FileNotFoundError: Nothing is at the path.
        NotAFileError: Something else than a regular file is there.
        OSError: The system cannot say.
    """
    if is_remote(path):
        return
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        kind = "a symbolic link, which is not followed," if stat.S_ISLNK(mode) else kind_of(mode)
        raise NotAFileError(0, f"{kind} stands in its place", str(path))


def read_file(path: Path) -> bytes:
    """The content of a regular file; raises the errors of `check_is_file`."""
    check_is_file(path)
    return path.read_bytes()


def read_sealed(file: Path, mend: str, *, seal: bool = True) -> dict[str, Any]:
    """The object in a file that `write_sealed` wrote.

    Args:
        file: The file.
        mend: The advice on how to make the file again, for the error.
        seal: Whether the object must have its SHA-256; `env.json` and files of older versions may have none.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file is not as it was written, or cannot be read.
    """
    try:
        content = read_file(file)
        text = content.decode("utf-8")
        value = from_sealed_json(text) if seal else from_json(text)
        if not isinstance(value, dict):
            raise ValueError(f"expected an object, found {type(value).__name__}")
        return value
    except (FileNotFoundError, NotADirectoryError):
        raise
    except (OSError, ValueError) as error:
        raise damaged(file, error, mend) from error


def damaged(file: Path, error: Exception, mend: str) -> DamagedFileError:
    """The error for a file that is not as it was written, with the reason."""
    reason = reason_of(error)
    lasting = not isinstance(error, OSError) or isinstance(error, NotAFileError)
    return DamagedFileError(f"{file}: damaged: {reason}; {mend}", reason, lasting=lasting)


def reason_of(error: Exception) -> str:
    """The reason why a file could not be read, in plain words."""
    match error:
        case NotAFileError():
            return str(error.strerror)
        case OSError():
            return f"cannot be read: {error.strerror or error}"
        case json.JSONDecodeError():
            if not error.doc.strip("\0"):
                return "nothing but zeros" if error.doc else "empty"
            return f"cut or altered: line {error.lineno}, column {error.colno}: {error.msg}"
        case UnicodeDecodeError():
            return f"not UTF-8 at byte {error.start}"
        case KeyError():
            return f"{error} is not in it"
    return str(error)


def write_sealed(file: Path, value: Mapping[str, Any], *, indent: int | None = None) -> None:
    """Write an object with its SHA-256, atomically; equal values give equal bytes."""
    replace_file(file, (to_json(sealed(value), indent=indent) + "\n").encode())


def replace_file(file: Path, content: bytes) -> None:
    """Write a file atomically; a folder in its place is put aside."""
    if not is_remote(file) and file.is_dir() and not file.is_symlink():
        put_aside(file)
    write_atomic(file, content)


def put_aside(file: Path) -> Path:
    """Rename a damaged file, or the folder in its place, to NAME.damaged (or NAME.damaged.2, ...); returns the path."""
    number, aside = 1, file.with_name(f"{file.name}{ASIDE}")
    while aside.exists() or (not is_remote(aside) and aside.is_symlink()):
        number += 1
        aside = file.with_name(f"{file.name}{ASIDE}.{number}")
    if is_remote(file):  # object stores cannot rename
        aside.write_bytes(file.read_bytes())
        file.unlink()
    else:
        file.rename(aside)
    return aside


def remove_anything(path: Path) -> None:
    """Remove a file, a link, or a folder with everything in it, from this machine; do nothing if there is none."""
    if path.is_dir() and not path.is_symlink():
        remove_folder(path)
    else:
        path.unlink(missing_ok=True)
