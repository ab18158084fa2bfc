"""Errors that a user can act on: what was wrong, where, what was expected, what to do next.

The command line prints the message of a `GillBenchError` without a traceback and ends with its exit code.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class GillBenchError(Exception):
    """Something failed; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(GillBenchError):
    """What the user gave (file, card, option, checkpoint) is wrong."""

    exit_code = 2


class RegressionError(GillBenchError):
    """Numbers are worse than their golden ones, or were computed in another way."""

    exit_code = 3


class IncompleteError(GillBenchError):
    """Some of the work that was asked for is missing; the same command resumes it."""

    exit_code = 4


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
