"""The runs that are served: one run, or all runs in a folder, each with a page that is written when it is looked at."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from gill_bench.analysis.status import RunStatus, status
from gill_bench.cards.find import Cards
from gill_bench.errors import GillBenchError, first_line
from gill_bench.reporting.view.viewed import ViewedRun
from gill_bench.rundir.folders import runs_below
from gill_bench.rundir.unit_memory import UnitMemory


class Library:
    """The runs by name.

    Args:
        folder: A run directory, or a folder of runs.
        pages: The folder in which pages are written, outside the runs.
        card_folders: Additional folders of cards.
        data: Where the runs' data is now; None for where each run found it.

    Attributes:
        only: The name of the run, if the folder is a run; "" for a folder of runs.

    Raises:
        InputError: The folder is neither a run nor a folder of runs.
    """

    def __init__(self, folder: Path, pages: Path, card_folders: Sequence[Path] = (), data: str | None = None) -> None:
        self._folder, self._pages, self._data = folder, pages, data
        self._cards = Cards(card_folders)
        self._viewed: dict[str, ViewedRun] = {}
        self._units: dict[str, UnitMemory] = {}
        self._lock = threading.Lock()
        is_run = runs_below(folder) == [folder]
        self.only = (folder.name or Path(folder).resolve().name or "run") if is_run else ""

    def run(self, name: str) -> ViewedRun | None:
        """The run of a name; None if there is none."""
        with self._lock:
            if name not in self._viewed:
                path = self._paths().get(name)
                if path is None:
                    return None
                page = self._pages / str(len(self._viewed))
                self._viewed[name] = ViewedRun(path, page, self._cards, self._data)
            return self._viewed[name]

    def statuses(self) -> dict[str, RunStatus | str]:
        """The status of each run by name, or the reason why the run cannot be read."""
        statuses: dict[str, RunStatus | str] = {}
        with self._lock:
            for name, path in self._paths().items():
                try:
                    statuses[name] = status(path, self._units.setdefault(name, UnitMemory()))
                except (GillBenchError, OSError) as error:
                    statuses[name] = first_line(error)
        return statuses

    def _paths(self) -> dict[str, Path]:
        if self.only:
            return {self.only: self._folder}
        return {path.relative_to(self._folder).as_posix(): path for path in runs_below(self._folder)}
