"""A job: a piece of work that any worker can do, small enough to be sent to another machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from gill_bench.errors import GillBenchError
from gill_bench.rundir.rows import Outcome


class Failure(NamedTuple):
    """An example that has no output, and why.

    Attributes:
        cell: (task, model, context).
        example: Its id.
        reason: Type and message of what was raised.
        outcome: "failed" or "refused".
        where: File and line in the model's own code, or "".
        record: The file that keeps it, with the traceback; "" if it is not written yet.
        traceback: Its text, or "".
    """

    cell: tuple[str, str, str]
    example: str
    reason: str
    outcome: Outcome = "failed"
    where: str = ""
    record: str = ""
    traceback: str = ""

    def __str__(self) -> str:
        """Such as `KeyError: 'unk' at my_model.py:12`."""
        return f"{self.reason} at {self.where}" if self.where else self.reason


@dataclass(frozen=True)
class JobResult:
    """What came of a job.

    Attributes:
        failures: Examples that the model failed on; the rest is written.
        value: What the job gives back, if it is not written where everybody finds it.
        again: What was done otherwise than asked, a sentence each: calls that raised with several prompts, and worked
            with one at a time.
    """

    failures: tuple[Failure, ...] = ()
    value: Any = None
    again: tuple[str, ...] = ()


class Job(Protocol):
    """Work that is written when it is done, and can be done again.

    Attributes:
        key: Hexadecimal; nobody else does a job of this key at the same time.
        size: Samples in it, for progress.
    """

    @property
    def key(self) -> str:
        """See above."""

    @property
    def size(self) -> int:
        """See above."""

    def is_done(self, run: Path) -> bool:
        """Whether it was done in the meantime, by whomever; asked while its key is locked."""

    def do(self, loaded: Any, run: Path, device: str, may_fail: int) -> JobResult:
        """Do it.

        Args:
            loaded: What `Loadable.load` of its batch gave.
            run: The run directory.
            device: The torch device that it was loaded on.
            may_fail: Give up after more failures than these: the run stops anyway.
        """

    def lost(self, reason: str) -> JobResult:
        """What came of it if every worker that tried it died."""


class Loadable(Protocol):
    """What jobs need loaded: a model or a metric's network.

    Attributes:
        key: The same for the same thing.
        name: What people call it.
        folders: Where its weights are. What follows it and shares some of them may take them over.
    """

    @property
    def key(self) -> str:
        """See above."""

    @property
    def name(self) -> str:
        """See above."""

    @property
    def folders(self) -> frozenset[Path]:
        """See above."""

    def load(self, device: str) -> Any:
        """Load it on a torch device."""


@dataclass
class JobGroup:
    """Jobs that need the same thing loaded.

    Attributes:
        loadable: What they need.
        jobs: Made one by one, when there is a worker for them, so that they never are in memory together.
        left: How many are still to be handed out.
        after: Called with each job that is behind us, and what came of it; what it returns, if anything, replaces that.
    """

    loadable: Loadable
    jobs: Iterator[Job]
    left: int
    after: Callable[[Job, JobResult], JobResult | None]
    again: list[Job] = field(default_factory=list)

    def take(self) -> Job:
        """The next one; those that came back first."""
        self.left -= 1
        return self.again.pop(0) if self.again else next(self.jobs)

    def put_back(self, job: Job) -> None:
        """Hand it out again."""
        self.again.append(job)
        self.left += 1


class NotLoadedError(GillBenchError):
    """A worker could not load what a job needs."""
