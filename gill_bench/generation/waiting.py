"""Calls of a model whose server may ask to wait: they wait as long as it says, and are made again."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count
from typing import TypeVar

from gill_bench.interfaces import TryLater, UnavailableError
from gill_bench.progress import say

LONGEST_WAIT = 3600.0
"""Seconds that one call waits in all; a server that asks for more stops the run."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 60.0
"""Seconds of the first wait and of any other, at least: each is twice the one before, in case the server asks for too
short ones, or does not say for how long."""
_WORTH_A_MESSAGE = 10.0  # seconds
T = TypeVar("T")


class Patience:
    """Makes calls that wait together, from any number of threads: what the server tells one of them counts for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = 0.0

    def call(self, ask: Callable[[], T]) -> T:
        """Make a call, again after each `TryLater`.

        Raises:
            UnavailableError: The server asks to wait for longer than `LONGEST_WAIT` in all.
        """
        waited = 0.0
        for number in count():
            # No sleep of 0 seconds: it gives the interpreter to another thread while the model waits.
            if (pause := self._until - time.monotonic()) > 0:
                time.sleep(pause)
            try:
                return ask()
            except TryLater as error:
                seconds = max(min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(number, 20)), error.seconds)
                waited += seconds
                if waited > LONGEST_WAIT:
                    raise UnavailableError(
                        f"the model's server asks to wait {seconds:.0f} s more ({error}); a call waits"
                        f" {LONGEST_WAIT:.0f} s at most\nwhat was answered is kept, and later the same command goes on"
                    ) from error
                self._wait(seconds, str(error))
        raise AssertionError  # the loop has no end

    def _wait(self, seconds: float, reason: str) -> None:
        until = time.monotonic() + seconds
        with self._lock:
            new = seconds >= _WORTH_A_MESSAGE and self._until < time.monotonic()
            self._until = max(self._until, until)
        if new:
            say(f"the model's server asks to wait {seconds:.0f} s ({reason})")
