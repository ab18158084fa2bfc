"""A worker: it holds one model or network at a time on one device, and does the jobs that need it.

While a worker does a job, other threads write the outputs of the jobs before, lock the next ones and read their data,
so that a model does not wait for a disk. The section on engines in docs/design/house.md says what one process shares,
and what may run side by side in it.
"""

from __future__ import annotations

import gc
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gill_bench.engines.job import Job, JobResult, Loadable, Unwritten, loaded_on
from gill_bench.errors import GillBenchError, first_line, memory_ran_out
from gill_bench.rundir.lock import RunLock
from gill_bench.weights.page_cache import read_into_page_cache

_BESIDE = 2  # threads that read, and as many that write: a job of few pictures waits more than it works

_TURN = 0.0005
"""Seconds after which a thread that runs Python passes the interpreter to one that waits for it. With Python's own 5 ms
a model whose call has ended may wait so long for a thread that reads or writes."""

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


@dataclass(frozen=True)
class _Claim:
    """The lock of a job's key, and the reply if there is nothing to do: the job is done, or another process does it."""

    lock: ExitStack
    reply: WorkReply | None = None


@dataclass(eq=False)
class _Entry:
    """A request; its lock and the job with its data once these are there; its outputs; the reply once there is one."""

    request: WorkRequest
    prepared: Future[Job] | None = None
    claim: _Claim | None = None
    begun: bool = False
    unwritten: tuple[Unwritten, ExitStack] | None = None
    reply: Future[WorkReply] | WorkReply | None = None

    def let_go(self) -> None:
        """Release the lock of a job that will not be done; waits for the thread that is taking it."""
        if self.prepared is not None and not self.prepared.cancel():
            self.prepared.exception()
        if self.claim is not None:
            self.claim.lock.close()


class Worker:
    """Does the jobs that it is given, one after the other.

    `give` and `end` may be called in any thread, the other methods in the thread that does the jobs.

    Args:
        run: The run directory.
        lock: The lock of the run, as this process holds it.
        device: A torch device.
    """

    def __init__(self, run: Path, lock: RunLock, device: str) -> None:
        self._run, self._lock, self._device = run, lock, device
        self._held: Loadable | None = None
        self._loaded: Any = None
        self._loads = 0
        self._entries: list[_Entry] = []
        self._working = False
        self._next_loadable = ""
        self._changed = threading.Condition()  # guards the entries, and whether a job is being done
        self._ended: BaseException | bool = False
        self._readers = ThreadPoolExecutor(_BESIDE, thread_name_prefix="prepare")
        self._writer = ThreadPoolExecutor(_BESIDE, thread_name_prefix="write")
        self._turn_before = sys.getswitchinterval()
        sys.setswitchinterval(_TURN)
        _lock_progress_bars_by_threads()

    def give(self, request: WorkRequest) -> None:
        """Queue a request; the data of its job is read while an earlier job is done."""
        with self._changed:
            self._entries.append(_Entry(request))
            if self._working:
                self._read_ahead()
            self._changed.notify()

    def end(self, error: BaseException | None = None) -> None:
        """Tell the worker that no request follows; an error is raised by `reply`."""
        with self._changed:
            self._ended = error or True
            self._changed.notify()

    def reply(self) -> WorkReply | None:
        """Wait for the reply to the oldest request without one; None after `end`, if every request has its reply.

        While the outputs of a job are written, the next job is done, so that later jobs may have begun, too. No job is
        begun as long as the sender has not seen the reply to an earlier one that wrote no outputs, such as a failure.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._entries or self._ended)
            if not self._entries:
                if isinstance(self._ended, BaseException):
                    raise self._ended
                return None
            oldest = self._entries[0]
        while not _is_known(oldest.reply):
            entry = self._next()
            if entry is None:
                break
            self._begin(entry)
        if not _is_known(oldest.reply):
            self._write_behind()
        reply = oldest.reply.result() if isinstance(oldest.reply, Future) else oldest.reply
        with self._changed:
            self._entries.remove(oldest)
        return reply

    def recall(self) -> int:
        """Forget the requests whose jobs have not begun; returns their number."""
        with self._changed:
            recalled = [entry for entry in self._entries if not entry.begun]
            self._entries = [entry for entry in self._entries if entry.begun]
        for entry in recalled:
            entry.let_go()
        return len(recalled)

    def close(self) -> None:
        """Forget the requests whose jobs have not begun, and wait until the outputs of the others are written.

        From here on Python's collector looks at all objects again, and threads take turns as before.
        """
        self.recall()
        self._write_behind()
        for entry in self._entries:
            if isinstance(entry.reply, Future):
                entry.reply.result()
        self._entries.clear()
        gc.unfreeze()
        sys.setswitchinterval(self._turn_before)

    def _next(self) -> _Entry | None:
        """The next job to begin; None if there is none, or if an earlier one has a reply that was not sent yet."""
        with self._changed:
            for entry in self._entries:
                if not entry.begun:
                    return entry
                if isinstance(entry.reply, WorkReply):
                    return None
        return None

    def _begin(self, entry: _Entry) -> None:
        """Do a job, unless it is done already or another process is doing it; its outputs may be still unwritten."""
        request = entry.request
        try:
            if entry.prepared is not None:
                entry.prepared.exception()  # waits for the thread
            entry.begun = True
            claim = entry.claim or self._claimed(request)
            with claim.lock as stack:
                if claim.reply is not None:
                    entry.reply = claim.reply
                    return
                if not self._holds(request.loadable):
                    self._write_behind()
                    if entry.prepared is None:
                        entry.prepared = self._readers.submit(request.job.prepared)
                    with self._changed:
                        self._read_ahead()
                    with _LOADING:
                        self._load(request.loadable)
                result = self._do(request, _prepared(entry))
                if isinstance(result, JobResult):
                    entry.reply = WorkReply(result)
                else:
                    entry.unwritten = result, stack.pop_all()
        except Exception as error:
            entry.reply = WorkReply(error=error)

    def _claimed(self, request: WorkRequest) -> _Claim:
        with ExitStack() as stack:
            if not stack.enter_context(self._lock.unit(request.job.key, wait=request.wait)):
                return _Claim(ExitStack(), WorkReply())
            if request.job.is_done(self._run):
                return _Claim(ExitStack(), WorkReply(JobResult()))
            return _Claim(stack.pop_all())

    def _do(self, request: WorkRequest, job: Job) -> JobResult | Unwritten:
        """Do a job while other threads work for the jobs before and behind it.

        These threads begin here and not before, since between two jobs, when a model waits, they would take turns with
        this one.
        """
        self._write_behind()
        with self._changed:
            self._working = True
            self._read_ahead()
        try:
            return job.do(self._loaded, self._run, self._device, request.may_fail)
        finally:
            self._working = False

    def _read_ahead(self) -> None:
        """Lock the next jobs and read their data, but for one that waits until another process has ended its own."""
        for entry in self._entries:
            if entry.begun or entry.prepared is not None or entry.request.wait:
                continue
            loadable = entry.request.loadable
            if not self._holds(loadable) and self._next_loadable != loadable.key:
                self._next_loadable = loadable.key
                self._readers.submit(read_into_page_cache, loadable.folders)
            entry.prepared = self._readers.submit(self._prepare, entry)

    def _prepare(self, entry: _Entry) -> Job:
        entry.claim = self._claimed(entry.request)
        return entry.request.job if entry.claim.reply is not None else entry.request.job.prepared()

    def _write_behind(self) -> None:
        for entry in self._entries:
            if entry.unwritten is not None and entry.reply is None:
                entry.reply = self._writer.submit(_write, entry)

    def _holds(self, loadable: Loadable) -> bool:
        return self._held is not None and self._held.key == loadable.key

    def _load(self, loadable: Loadable) -> None:
        # A loadable that shares weights with the held one takes them over, so these stay until it is loaded.
        if self._held is None or not loadable.folders & self._held.folders:
            self._free()
        self._held = None
        self._loaded = loaded_on(loadable, self._device)
        self._held = loadable

    def _free(self) -> None:
        """Free what is held, also networks that refer to themselves in a circle.

        A collection looks at every object of the process, some half a million with torch and its libraries, of which
        only those that came since the last change of model can have become garbage: the older ones are set aside.
        """
        self._loaded = None
        if self._loads:
            gc.collect()
        self._loads += 1
        gc.freeze()


def _is_known(reply: Future[WorkReply] | WorkReply | None) -> bool:
    return reply.done() if isinstance(reply, Future) else reply is not None


def _prepared(entry: _Entry) -> Job:
    """The job with its data, or as it was given: if the data cannot be read, doing the job raises the error.

    The entry no longer has the data then: the thread that writes the job's outputs is the last to have it and frees it.
    """
    prepared, entry.prepared = entry.prepared, None
    if prepared is None or prepared.exception() is not None:
        return entry.request.job
    return prepared.result()


def _write(entry: _Entry) -> WorkReply:
    """Write a job's outputs; they are taken from the entry here, so that this thread is the last to have them."""
    assert entry.unwritten is not None
    (unwritten, lock), entry.unwritten = entry.unwritten, None
    try:
        with lock:
            return WorkReply(unwritten.write())
    except Exception as error:
        return WorkReply(error=error)


def _lock_progress_bars_by_threads() -> None:
    """Keep libraries' progress bars from taking a semaphore of the system, which a killed process leaves behind.

    multiprocessing's resource tracker would warn of it at the end of the run.
    """
    from tqdm import tqdm

    if not hasattr(tqdm, "_lock"):
        tqdm.set_lock(threading.RLock())


def serve(worker: Worker, send: Callable[[WorkReply], None]) -> None:
    """Send a worker's replies to another process until the worker is ended; errors are sent in a form that can be."""
    while (reply := worker.reply()) is not None:
        send(reply if reply.error is None else WorkReply(error=_portable(reply.error)))


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
