"""Committed units that were read before, for whoever reads a run again and again while it grows."""

from __future__ import annotations

from pathlib import Path

from gill_bench.rundir.load_units import DamagedUnitError, read_commit, read_samples
from gill_bench.rundir.records import COMMIT, Commit, Sample
from gill_bench.storage.paths import is_remote


class UnitMemory:
    """Reads each committed unit once; a unit that was committed anew since then is read anew."""

    def __init__(self) -> None:
        self._commits: dict[Path, tuple[int, Commit]] = {}
        self._samples: dict[Path, tuple[int, list[Sample]]] = {}

    def commit(self, folder: Path) -> Commit:
        """The content of a unit's `unit.json`; raises as `read_commit`."""
        time = committed_at(folder)
        if folder not in self._commits or self._commits[folder][0] != time:
            self._commits[folder] = time, read_commit(folder)
        return self._commits[folder][1]

    def samples(self, folder: Path) -> list[Sample]:
        """The samples of a unit; raises as `read_samples`."""
        time = committed_at(folder)
        if folder not in self._samples or self._samples[folder][0] != time:
            self._samples[folder] = time, read_samples(folder)
        return self._samples[folder][1]


def committed_at(folder: Path) -> int:
    """When a unit was committed, in nanoseconds since 1970; 0 in an object store, where no unit is committed anew.

    Raises:
        DamagedUnitError: The unit has been taken away.
    """
    if is_remote(folder):
        return 0
    try:
        return (folder / COMMIT).stat().st_mtime_ns
    except OSError as error:
        raise DamagedUnitError(f"{folder / COMMIT} is damaged ({error.strerror})") from error
