"""One run that is looked at while it grows: its page is written again when something of it is new."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

from gill_bench.analysis.galleries import TaskData, galleries, record_of
from gill_bench.analysis.status import RunStatus, status
from gill_bench.cards.find import Cards
from gill_bench.errors import GillBenchError, first_line
from gill_bench.progress import say, silent
from gill_bench.reporting.page.build import PageContent, write_page
from gill_bench.reporting.page.gather import content_of, without_collector
from gill_bench.reporting.page.memory import PageMemory
from gill_bench.rundir.load import read_results, read_spec
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import RESULTS
from gill_bench.rundir.rows import Results
from gill_bench.rundir.unit_memory import UnitMemory
from gill_bench.storage.digests import digest

PICTURES = "run"
"""The address of the run's own pictures, as seen from its page."""
_REST = 4
"""After the page was written, so many times as long as that took pass before it is written again."""


class ViewedRun:
    """A run and its page.

    What was read, scored and drawn before stays in memory: when units arrive, only these are read, and when the run is
    scored, its tables are made.

    Args:
        run: The run directory, which is only read.
        page: The folder of the page, outside the run.
        cards: The cards of layouts, models and tasks.
        data: Where the run's data is now; None for where the run found it.

    Attributes:
        version: The digest of what the page shows; "" before it was written.
        problem: The reason why the page could not be written again; "" if there is none.
        status: The status of the run when it was last asked for; None before.
    """

    def __init__(self, run: Path, page: Path, cards: Cards, data: str | None = None) -> None:
        self.run, self.page = run, page
        self.version, self.problem = "", ""
        self.status: RunStatus | None = None
        self._cards, self._data = cards, data
        self._lock = threading.Lock()
        self._units, self._drawn, self._read = UnitMemory(), PageMemory(), dict[str, TaskData]()
        self._scored: tuple[Results, PageContent] | None = None
        self._rests_until = 0.0

    def open(self) -> None:
        """Write the page for the first time, and show progress.

        Raises:
            GillBenchError: The folder is not that of a run, or a file is damaged.
        """
        if not self.version:  # otherwise nobody waits for a page that is being renewed
            with self._lock:
                self._write()

    def renew(self) -> None:
        """Write the page again if something is new, and not for a while after that; an error becomes the `problem`.

        If another thread is at it, nothing is done.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            if time.monotonic() >= self._rests_until:
                began = time.monotonic()
                with silent():
                    self._write()
                ended = time.monotonic()
                self._rests_until = ended + _REST * (ended - began)
            problem = ""
        except (GillBenchError, OSError) as error:
            problem = first_line(error)
        finally:
            self._lock.release()
        if problem and problem != self.problem:
            say(f"{self.run}: the page stays as it was: {problem}")
        self.problem = problem

    def _write(self) -> None:
        known = status(self.run, self._units)
        results = read_results(self.run / RESULTS) if (self.run / RESULTS).is_file() else Results(())
        version = _version(known, results)
        self.status = known
        if version == self.version:
            return
        with without_collector():
            write_page(self.page, self._content(known, results))
        self.version = version

    def _content(self, known: RunStatus, results: Results) -> PageContent:
        # The failures that stand in the results may be of samples that have been made since.
        fresh = replace(results, unmade=known.failures)
        reader = RunReader(self.run, fresh, read_spec(self.run), self._units, unscored=True)
        if self._scored is not None and self._scored[0] == results:
            content = replace(
                self._scored[1],
                galleries=galleries([reader], self._data, self._read),
                runs=[record_of(reader)],
            )
        else:
            content = content_of(
                [reader], self._cards, data=self._data, addresses={self.run: PICTURES}, keep=self._read
            )
            self._scored = results, content
        return replace(content, memory=self._drawn)


def _version(known: RunStatus, results: Results) -> str:
    units = [(unit.folder, unit.ended) for cell in known.cells for unit in cell.units]
    failures = [(item.record, item.examples, item.seeds) for item in known.failures]
    rows = [(*row.cell_key, row.metric, row.seed, row.value, row.signature, row.n_scored) for row in results.rows]
    return digest([units, failures, rows, list(results.notes), len(results.probes)])[:16]
