"""A worker: it holds one model or network at a time on one device, and does the jobs that need it.

What one process shares, and what may run side by side in it: see the section on engines in docs/design/house.md.
"""

from __future__ import annotations

import gc
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gill_bench.engines.job import Job, JobResult, Loadable, NotLoadedError
from gill_bench.errors import GillBenchError, first_line, memory_ran_out
from gill_bench.rundir.lock import RunLock

_LOADING = threading.Lock()
"""Held while a model or network is loaded or freed: loading patches libraries, filters warnings, and fills the table of
shared networks (`gill_bench.models.sharing`), all of which the process has once."""


@dataclass(frozen=True)
class WorkRequest:
    """A job as it is given to a worker.

    Attributes:
        loadable: The model or network that the job needs.
        job: The job.
        may_fail: The job gives up after more failed examples than these.
        wait: If another process is doing the same job, wait for its end instead of leaving the job to it.
    """

    loadable: Loadable
    job: Job
    may_fail: int
    wait: bool


@dataclass(frozen=True)
class WorkReply:
    """A worker's reply to a request.

    Attributes:
        done: The result; None if another process is doing the job, or after an error.
        error: The error that stopped the job, or None.
    """

    done: JobResult | None = None
    error: Exception | None = None


class RemoteError(GillBenchError):
    """An error in a worker of another process, of a type that is no `GillBenchError`."""


class Worker:
    """Does the jobs that it is given, one after the other.

    Args:
        run: The run directory.
        lock: The lock of the run, as this process holds it.
        device: A torch device.
    """

    def __init__(self, run: Path, lock: RunLock, device: str) -> None:
        self._run, self._lock, self._device = run, lock, device
        self._held: Loadable | None = None
        self._loaded: Any = None
        _lock_progress_bars_by_threads()

    def do(self, request: WorkRequest) -> WorkReply:
        """Do a job, unless it is done already or another process is doing it; an error that stops the run is raised."""
        with self._lock.unit(request.job.key, wait=request.wait) as held:
            if not held:
                return WorkReply()
            if request.job.is_done(self._run):
                return WorkReply(JobResult())
            with _LOADING:
                self._load(request.loadable)
            return WorkReply(request.job.do(self._loaded, self._run, self._device, request.may_fail))

    def _load(self, loadable: Loadable) -> None:
        if self._held is not None and self._held.key == loadable.key:
            return
        # A loadable that shares weights with the held one takes them over, so these stay until it is loaded.
        if self._held is None or not loadable.folders & self._held.folders:
            self._loaded = None
            gc.collect()
        self._held = None
        try:
            self._loaded = loadable.load(self._device)
        except GillBenchError:
            raise
        except Exception as error:
            reason = memory_ran_out(error) or f"{type(error).__name__}: {first_line(error)}"
            raise NotLoadedError(f"{loadable.name}: could not be loaded on {self._device}: {reason}") from error
        self._held = loadable


def _lock_progress_bars_by_threads() -> None:
    """Keep libraries' progress bars from taking a semaphore of the system, which a killed process leaves behind.

    multiprocessing's resource tracker would warn of it at the end of the run.
    """
    from tqdm import tqdm

    if not hasattr(tqdm, "_lock"):
        tqdm.set_lock(threading.RLock())


def reply_to(worker: Worker, request: WorkRequest) -> WorkReply:
    """Do a job for another process: an error becomes part of the reply, in a form that can be sent."""
    try:
        return worker.do(request)
    except Exception as error:
        return WorkReply(error=_portable(error))


def _portable(error: Exception) -> Exception:
    """An error that can be pickled: our own errors and the system's keep their type, others are named in a message.

    The traceback goes along as a note, which Python prints after the error's own traceback.
    """
    sent: Exception
    if isinstance(error, GillBenchError):
        sent = type(error)(str(error))
    elif no_memory := memory_ran_out(error):
        sent = GillBenchError(no_memory)
    elif isinstance(error, OSError):
        sent = OSError(error.errno, error.strerror, *([str(error.filename)] if error.filename else []))
    else:
        sent = RemoteError(f"{type(error).__name__}: {first_line(error)}")
    sent.add_note("in the worker:\n" + "".join(traceback.format_exception(error)).rstrip())
    return sent
