"""Progress of long work, on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol

from gill_bench.storage.reading import visible

_SECONDS_BETWEEN_LINES = 10.0

Progress = Callable[[str, int], Callable[[int], None]]
"""Starts to show progress, given a label and a total; the function that it returns is called with each number done."""

_quiet = False
_debugging = False
_results_only = False


def say(message: str) -> None:
    """Print a message for people on stderr, unless with `--quiet`; data for programs goes to stdout."""
    if not _results_only:
        say_error(message)


def say_error(message: str) -> None:
    """Print a message that ends a command, also with `--quiet`."""
    if not _quiet:
        with suppress(OSError):  # stderr is closed, or the disk of the log is full: the work goes on
            sys.stderr.write(visible(message) + "\n")
            sys.stderr.flush()


def say_when_debugging(text: str) -> None:
    """Print a text, such as a traceback, only with `--debug`."""
    if _debugging and text:
        say(text.rstrip("\n"))


@contextmanager
def debugging(on: bool) -> Iterator[None]:
    """Have `say_when_debugging` print while the context lasts, if `on`."""
    global _debugging
    before, _debugging = _debugging, on
    try:
        yield
    finally:
        _debugging = before


@contextmanager
def results_only(on: bool) -> Iterator[None]:
    """Print no messages but errors while the context lasts, if `on`: what `--quiet` means."""
    global _results_only
    before, _results_only = _results_only, on
    try:
        yield
    finally:
        _results_only = before


class _Steps(logging.Handler):
    """Prints records of steps as messages."""

    def emit(self, record: logging.LogRecord) -> None:
        say(f"{time.strftime('%H:%M:%S', time.localtime(record.created))} {record.getMessage()}")


@contextmanager
def explaining(on: bool) -> Iterator[None]:
    """Print each step of the package that is logged at INFO while the context lasts, if `on`: what `--verbose` means.

    Loggers of other libraries are left as they are.
    """
    if not on:
        yield
        return
    logger, steps = logging.getLogger("gill_bench"), _Steps(logging.INFO)
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(steps)
    try:
        yield
    finally:
        logger.removeHandler(steps)
        logger.setLevel(before)


@contextmanager
def silent() -> Iterator[None]:
    """Print no messages while the context lasts: for a worker, whose parent process prints for both."""
    global _quiet
    before, _quiet = _quiet, True
    try:
        yield
    finally:
        _quiet = before


@contextmanager
def bar(label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    """Show progress of `total` units while the context lasts.

    Yields:
        A function that is called with the number of units done since its last call.
    """
    if sys.stderr.isatty() and not _quiet and not _results_only:
        with _live(label, total, unit) as step:
            yield step
    else:
        yield _lines(label, total, unit)


@contextmanager
def _live(label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total)
        yield lambda count: progress.advance(task, count)


def _lines(label: str, total: int, unit: str) -> Callable[[int], None]:
    start = last = time.monotonic()
    done = 0

    def step(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if done >= total or now - last >= _SECONDS_BETWEEN_LINES:
            last = now
            left = (now - start) / done * (total - done) if done else 0.0
            say(
                f"{label}: {done}/{total} {unit}, {now - start:.0f} s"
                + (f", about {left:.0f} s left" if done < total else "")
            )

    return step


class Bars(Protocol):
    """Starts a progress bar, given its label, total and unit; the bar before it ends."""

    def __call__(self, label: str, total: int, unit: str = ...) -> Callable[[int], None]:
        """Start a bar; the function that it returns is called with each number done."""


@contextmanager
def bars(unit: str) -> Iterator[Bars]:
    """Progress bars that follow one another, each shown until the next begins.

    Args:
        unit: The unit of bars that are started without one.

    Yields:
        A function that starts a bar, given its label and total.
    """
    with ExitStack() as stack:

        def start(label: str, total: int, unit: str = unit) -> Callable[[int], None]:
            stack.close()
            return stack.enter_context(bar(label, total, unit))

        yield start
