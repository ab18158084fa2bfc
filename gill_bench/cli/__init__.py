"""The command line: one file per command, thin over the API. Nothing heavy is imported at module level."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from types import FrameType

from gill_bench.errors import GillBenchError
from gill_bench.reading import visible

_INTERRUPTED = 130
_MAY_STAND_ALONE = "--html"
"""An option whose value may be left out, which the parser of options does not know of."""


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 failed, 2 wrong usage or input, 3 regression found, 4 incomplete, 130 interrupted.
    """
    own = arguments is None  # the process is this program
    words = list(sys.argv[1:] if own else arguments or ())
    debug = "--debug" in words or os.environ.get("GILL_BENCH_DEBUG") == "1"
    words = [word for word in words if word != "--debug"] or ["--help"]
    words = [
        f"{word}=" if word == _MAY_STAND_ALONE and (not after or after[0].startswith("-")) else word
        for word, after in ((word, words[place + 1 : place + 2]) for place, word in enumerate(words))
    ]
    if own:
        _end_at_the_second_interruption(words)
    from gill_bench.cli.app import app

    try:
        code = app(words, prog_name="gill-bench", standalone_mode=False)
    except KeyboardInterrupt:
        return _interrupted(words, own)
    except GillBenchError as error:
        if debug:
            raise
        sys.stderr.write(f"error: {visible(str(error))}\n")
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        return (
            _interrupted(words, own) if type(error).__name__ == "Abort" else _unexpected(error)
        )  # older versions of typer
    if code == _INTERRUPTED:  # what typer makes of an interruption
        return _interrupted(words, own)
    return code if isinstance(code, int) else 0


def _unexpected(error: Exception) -> int:
    """Report usage errors of the option parser, and anything that nobody foresaw."""
    message, code = getattr(error, "format_message", None), getattr(error, "exit_code", None)
    if callable(message) and isinstance(code, int):  # click's own exceptions, which typer vendors in some versions
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "gill-bench"
        sys.stderr.write(f"error: {message()}\nsee: {command} --help\n")
        return code
    reason = visible(str(error).splitlines()[0]) if str(error) else ""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(
            f"error: {where}{error.strerror or reason}\n"
            "nothing that was committed is lost: put it right and run the same command again\n"
        )
        return 1
    sys.stderr.write(
        f"error: unexpected {type(error).__name__}: {reason}\n"
        "this is a defect of gill-bench: run again with --debug and report what it prints\n"
    )
    return 1


def _interrupted(words: list[str], own: bool) -> int:
    """Say how to resume."""
    if own:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is ending
    sys.stderr.write(_how_to_resume(words))
    return _INTERRUPTED


def _how_to_resume(words: list[str]) -> str:
    command = shlex.join(["gill-bench", *words])
    return f"\ninterrupted; nothing that was committed is lost. Resume with:\n  {command}\n"


def _end_at_the_second_interruption(words: list[str]) -> None:
    """Let a second Ctrl-C, while the first is still being seen to, end the process as a kill does, but with a word."""

    def first(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, second)
        raise KeyboardInterrupt

    def second(number: int, frame: FrameType | None) -> None:
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.terminate()
        os.write(2, _how_to_resume(words).encode())  # sys.stderr may be in the middle of something
        os._exit(_INTERRUPTED)

    def unraisable(lost: sys.UnraisableHookArgs) -> None:
        """Have an interruption come again, a moment later, that came where none can be raised: in a finaliser."""
        if issubclass(lost.exc_type, KeyboardInterrupt):
            signal.signal(signal.SIGINT, first)
            threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
        else:
            sys.__unraisablehook__(lost)

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else nobody is at a terminal
        signal.signal(signal.SIGINT, first)
        sys.unraisablehook = unraisable
