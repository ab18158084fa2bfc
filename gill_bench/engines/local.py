"""The one worker of this process: what everything runs on that is too small for more."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from gill_bench.engines.dispatcher import Event
from gill_bench.engines.worker import Worker, WorkReply, WorkRequest


class Here:
    """A pool of one seat, whose orders are done while they are waited for."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._orders: deque[WorkRequest] = deque()

    def names(self) -> Sequence[str]:
        """One, without a name."""
        return ("",)

    def open(self, wanted: int) -> Sequence[int]:
        """Always."""
        return (0,)

    def give(self, seat: int, order: WorkRequest) -> None:
        """Keep it until it is waited for."""
        self._orders.append(order)

    def wait(self) -> Sequence[Event]:
        """Do the oldest order. An error is told as it is, with its traceback."""
        try:
            return (Event(0, self._worker.do(self._orders.popleft())),)
        except Exception as error:
            return (Event(0, WorkReply(error=error)),)

    def close(self) -> None:
        """Nothing is under way."""
        self._orders.clear()
