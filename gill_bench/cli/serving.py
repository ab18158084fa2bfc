"""Serving a page until Ctrl-C, for the commands that have one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gill_bench.cli.streams import emit

if TYPE_CHECKING:
    from gill_bench.reporting.local_server import LocalServer


@contextmanager
def until_stopped() -> Iterator[None]:
    """End the context quietly, and say so, at Ctrl-C or SIGTERM."""
    import signal
    import threading

    from gill_bench.progress import say

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    in_main_thread = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if in_main_thread else None
    try:
        yield
    except KeyboardInterrupt:
        say("stopped")
    finally:
        if in_main_thread:
            signal.signal(signal.SIGTERM, before)


def serve(server: LocalServer, *, opened: bool) -> None:
    """Print the address of a server, open it in a browser if that is wanted, and answer requests."""
    import webbrowser

    from gill_bench.progress import say

    emit(server.address)
    say("Ctrl-C stops it")
    if opened:
        webbrowser.open(server.address)
    server.serve_forever()
