"""A job: a piece of work that any worker can do, small enough to be sent to another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gill_bench.errors import GillBenchError, first_line, memory_ran_out
from gill_bench.rundir.records import CellKey, LossReason


class Failure(NamedTuple):
    """An example that has no output, and the reason.

    Attributes:
        cell: Name of the cell.
        example: The id of the example.
        reason: Type and message of the error.
        outcome: "failed" or "refused".
        where: File and line in the model's own code at which the error was raised, or "".
        record: The file that keeps the failure with its traceback; "" if it is not written yet.
        traceback: The text of the traceback, or "".
    """

    cell: CellKey
    example: str
    reason: str
    outcome: LossReason = "failed"
    where: str = ""
    record: str = ""
    traceback: str = ""

    def __str__(self) -> str:
        """The reason and the place, such as `KeyError: 'unk' at my_model.py:12`."""
        return f"{self.reason} at {self.where}" if self.where else self.reason


@dataclass(frozen=True)
class JobResult:
    """The result of a job.

    Attributes:
        failures: Examples that the model failed on; the outputs of all others are written.
        value: A value for the caller, of jobs that do not write all of their result into the run directory.
        again: A sentence for each call that raised with several prompts and worked with one at a time.
    """

    failures: tuple[Failure, ...] = ()
    value: Any = None
    again: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unwritten:
    """The outputs of a job, made but not written yet.

    Attributes:
        write: Writes the outputs and returns the job's result. A worker calls it once, in a thread, while it does its
            next job; the lock of the job is held until then.
    """

    write: Callable[[], JobResult]


class Job(Protocol):
    """A piece of work that writes its result when it is done, and that can be done again.

    Attributes:
        key: A hexadecimal text; a lock of this name keeps two processes from doing the job at the same time.
        size: How many samples the job makes or scores, for the progress bar.
    """

    @property
    def key(self) -> str:
        """The name of the job's lock."""

    @property
    def size(self) -> int:
        """The number of samples that the job makes or scores."""

    def is_done(self, run: Path) -> bool:
        """Whether the job is done already, perhaps by another process; called while the lock of the key is held."""

    def prepared(self) -> Job:
        """The same job with the data that it needs already read; the job itself if it needs none.

        A worker calls it in a thread, while it does the job before this one, and holds the lock of the key. An error is
        not lost: the worker then does the job as it was, which meets the same error.
        """

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> JobResult | Unwritten:
        """Do the job.

        Args:
            loaded: The value that `Loadable.load` of the job's group returned.
            run: The run directory.
            device: The torch device on which `loaded` is.
            may_fail: After more failed examples than these the job may give up: the run stops anyway.
        """

    def lost(self, reason: str) -> JobResult:
        """The result of the job if every worker that tried it died."""


class Loadable(Protocol):
    """A model or a metric's network that jobs need loaded.

    Attributes:
        key: Two loadables with the same key are the same model or network.
        name: The name in messages; "" if loading is not worth one.
        folders: The folders of its weights. The next loadable with some of the same folders takes these weights over.
    """

    @property
    def key(self) -> str:
        """The identity of the model or network."""

    @property
    def name(self) -> str:
        """The name in messages, or ""."""

    @property
    def folders(self) -> frozenset[Path]:
        """The folders of the weights."""

    def load(self, device: str) -> Any:
        """Load the model or network on a torch device; only one thread of a process loads at a time."""


@dataclass
class JobGroup:
    """Jobs that need the same model or network loaded.

    Attributes:
        loadable: The model or network.
        jobs: The jobs. Each is made when a worker is free for it, so that they are never in memory together.
        left: How many jobs are still to be handed out.
        after: Called with each job that ended, and its result; a result that it returns replaces that one.
        again: Jobs that were handed out and came back.
    """

    loadable: Loadable
    jobs: Iterator[Job]
    left: int
    after: Callable[[Job, JobResult], JobResult | None]
    again: list[Job] = field(default_factory=list)

    def take(self) -> Job:
        """The next job; jobs that came back are handed out first."""
        self.left -= 1
        return self.again.pop(0) if self.again else next(self.jobs)

    def put_back(self, job: Job) -> None:
        """Have a job handed out again."""
        self.again.append(job)
        self.left += 1


class NotLoadedError(GillBenchError):
    """A worker could not load what a job needs."""


def loaded_on(loadable: Loadable, device: str) -> Any:
    """Load a model or network on a torch device.

    Raises:
        NotLoadedError: Loading raised an error of another kind than `GillBenchError`.
    """
    try:
        return loadable.load(device)
    except GillBenchError:
        raise
    except Exception as error:
        reason = memory_ran_out(error) or f"{type(error).__name__}: {first_line(error)}"
        raise NotLoadedError(f"{loadable.name}: could not be loaded on {device}: {reason}") from error
