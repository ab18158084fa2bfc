"""The engines that there are, and the options with which a run is executed."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from gill_bench.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from gill_bench.engines.dispatcher import WorkerPool
    from gill_bench.rundir.lock import RunLock

ENGINES = {"local": "gill_bench.engines.local", "ray": "gill_bench.engines.ray"}
"""The module of each engine, by the name that `--engine` takes; the first is the default."""
DEFAULT_ENGINE = next(iter(ENGINES))
MAX_FAILURES = 10


@dataclass(frozen=True)
class ExecutionOptions:
    """How a run is executed; none of these options changes what comes out.

    Attributes:
        devices: Torch devices, one or more of the same kind; for an engine that hands out the devices itself, their
            kind.
        engine: A name in `ENGINES`.
        address: The address of a cluster, for an engine that takes one; "" for the engine's own default.
        workers: Processes per device; for Ray the number of all workers. 0 leaves the number to the engine.
        threads: CPU threads of each worker; 0, in a plan that is only shown, for torch's own choice.
        max_failures: More failed examples than these stop the run.
        locks: False where the run's file system has no locks, and no other command works on the run meanwhile.
    """

    devices: tuple[str, ...]
    engine: str = DEFAULT_ENGINE
    address: str = ""
    workers: int = 0
    threads: int = 1
    max_failures: int = MAX_FAILURES
    locks: bool = True


class PoolChoice(Protocol):
    """Says which workers do some jobs, and starts no worker by itself."""

    def __call__(self, samples: int, alone: bool) -> tuple[WorkerPool, int]:
        """Choose the pool for some jobs.

        Args:
            samples: How many samples the jobs make, or as many as take the same time.
            alone: The jobs are timed: one worker does them one after the other, and nothing else runs meanwhile.

        Returns:
            The pool, and how many of its slots may be used; 0 for all.
        """


class EngineModule(Protocol):
    """The names that the module of an engine has.

    Attributes:
        TAKES_ADDRESS: Whether `--address` means something to the engine.
    """

    TAKES_ADDRESS: bool

    def choose_devices(self, names: str, address: str, threads: int) -> tuple[str, ...]:
        """The devices for `--device`, which must be there.

        Args:
            names: The devices as the user gave them: "auto", or devices between commas.
            address: The cluster's address, or "".
            threads: CPU threads for torch in this process; 0 leaves them as they are.

        Raises:
            InputError: A device is not there, or does not go with the others.
        """

    def workers_for_small_models(self, names: str) -> int:
        """The number of workers for the embedded weights, where the user gave none.

        Args:
            names: The devices as the user gave them: "auto", or devices between commas.
        """

    def open_pools(self, run: Path, options: ExecutionOptions, lock: RunLock) -> AbstractContextManager[PoolChoice]:
        """Have the engine's pools while the context lasts; at its end all workers are ended.

        Args:
            run: The run directory.
            options: How the run is executed.
            lock: The lock of the run, as this process holds it.
        """


def engine_module(name: str) -> EngineModule:
    """The module of an engine.

    Raises:
        InputError: There is no engine of this name, or the package that it needs is not installed.
    """
    if name not in ENGINES:
        raise InputError(f"--engine {name}: {did_you_mean(name, ENGINES)}")
    return cast(EngineModule, import_module(ENGINES[name]))
