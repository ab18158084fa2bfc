"""A worker: holds one model or network at a time on one device, and does jobs that need it."""

from __future__ import annotations

import gc
import threading
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gill_bench.engines.job import Job, JobResult, Loadable, NotLoadedError
from gill_bench.errors import GillBenchError, memory_ran_out
from gill_bench.rundir.lock import RunLock
from gill_bench.weights.checkpoints import first_line


@dataclass(frozen=True)
class WorkRequest:
    """A job as it is given to a worker.

    Attributes:
        wait: Wait for whoever is at the same job, rather than leave it to them for now.
    """

    loadable: Loadable
    job: Job
    may_fail: int
    wait: bool


@dataclass(frozen=True)
class WorkReply:
    """What a worker says of an order.

    Attributes:
        done: None if somebody else is at the job.
        error: What stopped it, if something did.
    """

    done: JobResult | None = None
    error: Exception | None = None


class RemoteError(GillBenchError):
    """What a worker raised that nobody foresaw."""


class Worker:
    """Does orders, one after the other.

    Args:
        run: The run directory.
        lock: Its lock, as it is held by this process.
        device: A torch device.
    """

    def __init__(self, run: Path, lock: RunLock, device: str) -> None:
        self._run, self._lock, self._device = run, lock, device
        self._held: Loadable | None = None
        self._loaded: Any = None
        _lock_progress_bars_by_threads()

    def do(self, order: WorkRequest) -> WorkReply:
        """Do a job once over all processes of a run; raises what stops the run."""
        with self._lock.unit(order.job.key, wait=order.wait) as held:
            if not held:
                return WorkReply()
            if order.job.is_done(self._run):
                return WorkReply(JobResult())
            self._load(order.loadable)
            return WorkReply(order.job.do(self._loaded, self._run, self._device, order.may_fail))

    def _load(self, loadable: Loadable) -> None:
        if self._held is not None and self._held.key == loadable.key:
            return
        # The next one takes over what both have, so what is held stays until it has.
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


def answer(worker: Worker, order: WorkRequest) -> WorkReply:
    """Do an order far from whoever gave it: an error is told, not raised."""
    try:
        return worker.do(order)
    except Exception as error:
        return WorkReply(error=_portable(error))


def _portable(error: Exception) -> Exception:
    """An error as it can be sent: of our own kinds and the system's as they are, others by name.

    Its traceback goes along as a note, which is shown where tracebacks are.
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
