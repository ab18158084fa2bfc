"""stdin, stdout and stderr may be unusable: closed, a pipe that nobody reads any more, or a full disk.

The program that reads stdout may end early (`| head -1`): the command then goes on and ends as it would have. A result
that cannot be printed for another reason is an error. Messages on stderr are for people: if they cannot be written, the
command goes on without them.
"""

from __future__ import annotations

import os
import sys
from typing import TextIO

from gill_bench.errors import GillBenchError

_CLOSED = "stdout is closed"
_problem = ""  # the reason why stdout cannot be used, or ""


def prepare() -> None:
    """Open closed streams on nothing, so that no other file gets their numbers, and let every character be printed."""
    global _problem
    _problem = ""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number, inheritable=True)
                os.close(null)
            os.set_inheritable(number, True)
            if name == "stdout":
                _problem = _CLOSED
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))  # noqa: SIM115
    _print_every_character(sys.stdout)


def _print_every_character(stream: TextIO) -> None:
    """Print names of files that are not UTF-8 as their bytes, and characters that an encoding lacks as escapes."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        unicode = (stream.encoding or "").lower().replace("-", "") == "utf8"
        reconfigure(errors="surrogateescape" if unicode else "backslashreplace")


def emit(text: str | bytes, *, nl: bool = True) -> None:
    """Print a command's result on stdout.

    Raises:
        GillBenchError: stdout is closed, or cannot be written.
    """
    if _problem:
        raise GillBenchError(f"{_problem}: the result cannot be printed")
    import typer

    if isinstance(text, bytes) and not hasattr(sys.stdout, "buffer"):  # Python's redirect_stdout into a StringIO
        text = text.decode("utf-8")
    try:
        typer.echo(text, nl=nl)
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(sys.stdout)
    except OSError as error:
        _to_nowhere(sys.stdout)
        raise GillBenchError(f"stdout: cannot be written: {error.strerror}; the result was not printed") from error
    except SystemExit:  # click's answer to a broken pipe
        _to_nowhere(sys.stdout)


def settle() -> str:
    """Write buffered output. Returns the reason if that fails, or ""; Python itself would print an error at its end."""
    reason = ""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _to_nowhere(stream)
        except (OSError, ValueError) as error:
            _to_nowhere(stream)
            if stream is sys.stdout:
                reason = getattr(error, "strerror", None) or str(error)
    return reason


def _to_nowhere(stream: TextIO) -> None:
    """Discard the rest of a stream, with its buffered output."""
    try:
        number = stream.fileno()
    except (OSError, ValueError, AttributeError):
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, number)
    os.close(null)
