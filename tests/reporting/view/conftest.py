"""A run that grows when a test says so, and a server of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gill_bench.reporting.view import Library, PageServer
from gill_bench.rundir.folders import is_unit_name
from tests.support.runs import half

Serve = Callable[[Path], PageServer]


@pytest.fixture
def growing(tmp_path: Path) -> Path:
    """A run of eight stories in two contexts, of which four in the first are stored; `grow` adds four in the second."""
    folder = half(tmp_path / "runs" / "growing", limit=8)
    (unit,) = folder.glob("units/*/*/5-captions/*")
    unit.rename(tmp_path / unit.name)
    return folder


def grow(folder: Path) -> None:
    """Have the withheld unit arrive, whole and at once."""
    withheld = next(path for path in folder.parents[1].iterdir() if is_unit_name(path.name))
    (cell,) = folder.glob("units/*/*/5-captions")
    withheld.rename(cell / withheld.name)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers, which end with the test."""
    with ExitStack() as stack:

        def start(folder: Path) -> PageServer:
            pages = tmp_path / f"pages-{folder.name}"
            pages.mkdir()
            server = stack.enter_context(PageServer(Library(folder, pages)))
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            return server

        yield start


def files_of(folder: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of every file and folder."""
    return {file: (file.stat().st_size, file.stat().st_mtime_ns) for file in [folder, *folder.rglob("*")]}
