"""Errors that a user can act on: a message says what was wrong, where, what was expected, and what to do next.

The command line prints the message of a `GillBenchError` without a traceback and ends with its exit code.
"""

from __future__ import annotations

import difflib
import errno
import pickle
import re
import shlex
from collections.abc import Iterable


class GillBenchError(Exception):
    """An error with a message for users; the command line ends with its `exit_code`."""

    exit_code = 1


class InputError(GillBenchError):
    """A file, card, option or checkpoint that the user gave is wrong."""

    exit_code = 2


class RegressionError(GillBenchError):
    """Numbers are worse than their golden ones, or were computed in another way."""

    exit_code = 3


class IncompleteError(GillBenchError):
    """Some outputs of the request are missing; the same command goes on with them."""

    exit_code = 4


_MEMORY = ("out of memory", "not enough memory", "cannot allocate memory", "can't allocate memory", "failed to map seg")


def memory_ran_out(error: BaseException | None) -> str:
    """Return a sentence with advice if memory, or address space (`ulimit -v`), ran out; "" for other errors."""
    while error is not None:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        says_so = isinstance(error, (RuntimeError, ImportError, OSError)) and any(
            phrase in lines[0].lower() for phrase in (*_MEMORY, "can't start new thread")
        )
        if isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM or says_so:
            return (
                f"out of memory ({lines[0][:160]})\n"
                "ask for less at a time (--batch-size 1, fewer --workers, --threads 1) or give it more memory;"
                " what was committed is kept, and the same command goes on"
            )
        error = error.__cause__
    return ""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, for messages of at most three lines.

    For a pickle that holds more than tensors the message is our own: that of torch advises to load it all the same.
    """
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        return "not a plain file of tensors (damaged, or it holds code, which is never run); download it again"
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters, and bytes that are no UTF-8


def command(*words: object) -> str:
    """Return a `gill-bench` command that can be pasted into a shell, whatever characters its paths hold.

    >>> command("report", "my runs/vist")
    "gill-bench report 'my runs/vist'"
    >>> print(command("score", "a\\tb"))
    gill-bench score $'a\\x09b'
    """
    return " ".join(["gill-bench", *(_quoted(str(word)) for word in words)])


def _quoted(word: str) -> str:
    if not _UNSHOWN.search(word):
        return shlex.quote(word)
    shown = "".join(
        f"\\x{byte:02x}" if byte < 0x20 or byte >= 0x7F else f"\\{chr(byte)}" if byte in b"'\\" else chr(byte)
        for byte in word.encode(errors="surrogateescape")
    )
    return f"$'{shown}'"  # bash, ksh and zsh read the escapes in it


def choose_from_all(name: str, choices: Iterable[str]) -> str:
    """Return a sentence that names the nearest choice, if one is near, and all choices.

    >>> choose_from_all("vsit", ["vist", "visdial"])
    "did you mean 'vist'? (all: visdial, vist)"
    """
    names = sorted(set(choices))
    near = did_you_mean(name, names)
    return f"{near} (all: {', '.join(names)})" if near.endswith("?") else near


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return a sentence that names the nearest choice, or all choices if none is near.

    >>> did_you_mean("vsit", ["vist", "visdial"])
    "did you mean 'vist'?"
    >>> did_you_mean("x", ["vist", "visdial"])
    "choose from 'visdial', 'vist'"
    """
    names = sorted(set(choices))
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]!r}?"
    if not names:
        return "there is nothing to choose from"
    return "choose from " + ", ".join(map(repr, names))
