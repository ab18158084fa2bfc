"""The reason that a run keeps of an exception: its message, its place in the model's own code, and its traceback.

A run directory is passed on, so the reason holds neither paths of this machine nor credentials.
"""

from __future__ import annotations

import os
import re
import sysconfig
import traceback
from collections.abc import Mapping
from pathlib import Path

from gill_bench.errors import first_line
from gill_bench.generation.returned import UnusableError
from gill_bench.interfaces import RefusedError
from gill_bench.models.class_adapter import file_of
from gill_bench.rundir.records import Reason

_LONGEST = 50_000  # characters that are kept of a traceback, from its end
_LIBRARIES = re.compile(r".*[/\\](?:site|dist)-packages[/\\]")
_PACKAGE, _STANDARD = Path(__file__).resolve().parents[2], Path(sysconfig.get_path("stdlib"))
_FRAME = re.compile(r'^(\s*File )"([^"]+)"', re.MULTILINE)
_PATH = re.compile(r"(?<![\w.:/\\~…-])(?:~|[A-Za-z]:)?(?:[/\\][\w.@+~-]+)+[/\\]([\w.@+~-]+)")
_IN_URL = re.compile(r"(?<=://)[^/@\s]*@|(?<=\w)\?[^\s'\"]*=[^\s'\"]*")
_CREDENTIAL = re.compile(r"\b(?:hf_|sk-|ghp_|Bearer )[\w-]{8,}")
_ASSIGNED = re.compile(r"(?i)((?:token|key|secret|password)\s*=\s*)(?:'[^']{6,}'|\"[^\"]{6,}\")")
_SECRET_NAMES = ("TOKEN", "KEY", "SECRET", "PASSWORD")
_SHORTEST_SECRET = 8


def reason_of(error: BaseException, model: object) -> Reason:
    """The reason for a failure, from the exception that a model raised.

    Args:
        error: The exception, with its traceback.
        model: The loaded model.
    """
    text = str(error).strip()
    return Reason(
        "refused" if isinstance(error, RefusedError) else "failed",
        "" if isinstance(error, UnusableError) else type(error).__name__,
        harmless(first_line(error)) if text else "",
        _where(error, model),
        harmless_traceback(error),
    )


def harmless_traceback(error: BaseException) -> str:
    """The traceback of an exception and of those that led to it, without absolute paths and credentials."""
    text = "".join(traceback.format_exception(error))
    text = _FRAME.sub(lambda frame: f'{frame[1]}"{_readable(frame[2])}"', text)
    return harmless(text)[-_LONGEST:]


def harmless(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """The text without credentials and without the folders of absolute paths; file names stay.

    >>> harmless("no /home/ann/my models/a.bin at https://ann:pw@host/x?sig=1")
    'no …/my models/a.bin at https://…host/x…'
    """
    text = text.encode(errors="backslashreplace").decode()  # halves of surrogate pairs have no bytes
    for name, value in environment.items():
        if len(value) >= _SHORTEST_SECRET and any(word in name.upper() for word in _SECRET_NAMES):
            text = text.replace(value, "…")
    for folder in (str(Path.home()), str(Path.cwd())):
        if len(folder) > 1:
            text = text.replace(folder, "…")
    text = _IN_URL.sub("…", text)
    text = _ASSIGNED.sub(r"\1…", _CREDENTIAL.sub("…", text))
    return _PATH.sub(r"…/\1", text)


def _where(error: BaseException, model: object) -> str:
    """File and line of the innermost frame in the model's own code, or "".

    Its own code is the files of the model's class and of those it extends, and the files beside them.
    """
    files = {file for kind in type(model).__mro__ if kind is not object and (file := file_of(kind)) is not None}
    frames = [(Path(frame.filename).resolve(), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    folders = {file.parent for file in files if not _LIBRARIES.match(str(file)) and not _is_gill_bench(file)}
    own = [frame for frame in frames if frame[0] in files or frame[0].parent in folders]
    return f"{own[-1][0].name}:{own[-1][1]}" if own else ""


def _is_gill_bench(file: Path) -> bool:
    return file.is_relative_to(_PACKAGE / "gill_bench")


def _readable(file: str) -> str:
    """The name of a source file in a traceback: its path from the root of its package, or its name alone."""
    path = Path(file)
    if _LIBRARIES.match(file):
        return _LIBRARIES.sub("", file)
    for root in (_PACKAGE, _STANDARD):
        if path.is_relative_to(root) and (root != _PACKAGE or _is_gill_bench(path)):
            return path.relative_to(root).as_posix()
    return path.name
