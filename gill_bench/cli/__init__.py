"""The command line: one file per command, thin over the API. Nothing heavy is imported at module level."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from types import FrameType

from gill_bench.cli import streams
from gill_bench.cli.unforeseen import explain
from gill_bench.errors import GillBenchError, IncompleteError, InputError, RegressionError, command
from gill_bench.progress import debugging, explaining, results_only, say_error
from gill_bench.storage.paths import check_utf8

_INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 done, 1 failed, 2 wrong usage or input, 3 regression found, 4 incomplete, 130 interrupted.
    """
    whole_process = arguments is None
    words = list(sys.argv[1:] if whole_process else arguments or ())
    debug = "--debug" in words or os.environ.get("GILL_BENCH_DEBUG") == "1"
    quiet, verbose = "--quiet" in words, "--verbose" in words
    if quiet and verbose:
        say_error("error: --quiet prints less and --verbose more; give one of them")
        return InputError.exit_code
    words = [word for word in words if word not in ("--debug", "--quiet", "--verbose")] or ["--help"]
    with results_only(quiet), explaining(verbose):
        return _main(words, debug, whole_process)


def _main(words: list[str], debug: bool, whole_process: bool) -> int:
    if not whole_process:
        return _run(words, debug, whole_process)
    streams.prepare()
    _end_at_the_second_interruption(words)
    code = _run(words, debug, whole_process)
    unprinted = streams.settle()
    if unprinted and code == 0:
        say_error(f"error: stdout: cannot be written: {unprinted}")
        return 1
    return code


def _run(words: list[str], debug: bool, whole_process: bool) -> int:
    """Run a command; an error becomes its message and its exit code."""
    try:
        for word in words:
            check_utf8(word, "argument")
        from gill_bench.cli.app import app

        with debugging(debug):
            code = app(words, prog_name="gill-bench", standalone_mode=False)
    except KeyboardInterrupt:
        return _interrupted(words, whole_process)
    except SystemExit as ended:  # the parser of options ends so when nobody reads its help any more
        return ended.code if isinstance(ended.code, int) else 1
    except GillBenchError as error:
        if debug and not isinstance(error, IncompleteError | RegressionError):  # these report results, not faults
            say_error("".join(traceback.format_exception(error)).rstrip())
        say_error(f"error: {error}")
        return error.exit_code
    except Exception as error:
        if type(error).__name__ == "Abort":  # older versions of typer
            return _interrupted(words, whole_process)
        if debug and not hasattr(error, "format_message"):  # the option parser's message says all
            say_error("".join(traceback.format_exception(error)).rstrip())
        message, code = explain(error)
        say_error(f"error: {message}")
        return code
    if code == _INTERRUPTED:  # typer's code for an interruption
        return _interrupted(words, whole_process)
    return code if isinstance(code, int) else 0


def _interrupted(words: list[str], whole_process: bool) -> int:
    """Say how to resume."""
    if whole_process:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a further Ctrl-C would cut the message
    say_error(_how_to_resume(words).rstrip("\n"))
    return _INTERRUPTED


def _how_to_resume(words: list[str]) -> str:
    return f"\ninterrupted; nothing that was committed is lost. Resume with:\n  {command(*words)}\n"


def _end_at_the_second_interruption(words: list[str]) -> None:
    """Have a second Ctrl-C, while the first is still handled, end the process at once, after the hint how to resume."""
    in_hook = False

    def again() -> None:
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()

    def first(number: int, frame: FrameType | None) -> None:
        if in_hook:  # an exception that is raised in this hook would be lost too
            again()
            return
        signal.signal(signal.SIGINT, second)
        raise KeyboardInterrupt

    def second(number: int, frame: FrameType | None) -> None:
        if "multiprocessing" in sys.modules:
            for child in sys.modules["multiprocessing"].active_children():
                child.terminate()
        os.write(2, _how_to_resume(words).encode())  # sys.stderr may be in the middle of something
        os._exit(_INTERRUPTED)

    def unraisable(lost: sys.UnraisableHookArgs) -> None:
        """Repeat, a moment later, an interruption that came in a finaliser, where no exception can be raised."""
        nonlocal in_hook
        if issubclass(lost.exc_type, KeyboardInterrupt):
            in_hook = True
            signal.signal(signal.SIGINT, first)
            again()
            in_hook = False
        else:
            sys.__unraisablehook__(lost)

    if (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
    ):  # otherwise the program was not started from a terminal
        signal.signal(signal.SIGINT, first)
        sys.unraisablehook = unraisable
