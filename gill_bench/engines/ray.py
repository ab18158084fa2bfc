"""The engine "ray": workers on the nodes of a Ray cluster, one per accelerator or per share of CPUs.

This module imports Ray, and is imported only with `--engine ray`. Requests and replies go through Ray, outputs do not:
each worker writes them to the run directory. Every node must see the run directory, the data and the weights under the
same paths. Ray's own messages stay in its logs: they would appear between the progress lines, and on stdout between
data.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gill_bench.engines.dispatcher import DEPTH, Event, WorkerPool
from gill_bench.engines.options import ExecutionOptions, PoolChoice
from gill_bench.engines.worker import Worker, WorkReply, WorkRequest, serve
from gill_bench.errors import GillBenchError, InputError, first_line
from gill_bench.progress import say
from gill_bench.rundir.lock import RunLock
from gill_bench.storage.read_ahead import usable_processors

if "ray" not in sys.modules:
    # A thread of Ray prints the errors that nodes report on stdout, also without `log_to_driver`. Ray leaves out lines
    # that match this pattern, which it reads when it is imported.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
try:
    import ray
    from ray.exceptions import ActorUnavailableError, RayActorError, RayError
except ImportError as missing:
    raise InputError("--engine ray: Ray is not installed; install it with: pip install 'gill-bench[ray]'") from missing

TAKES_ADDRESS = True
_LOCAL = "local"  # the address by which Ray starts a cluster on this machine
_START = 5  # workers that may die at one slot before they are ready
_PATIENCE = 20.0  # seconds without a worker before a message says so
_LOCAL_PATIENCE, _REMOTE_PATIENCE = 120.0, 900.0  # seconds without a worker before that is an error
_ANSWER = 5.0  # seconds in which a cluster's address must answer
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # RFC 9113: with empty SETTINGS
_STORE = 200 * 2**20  # bytes of shared memory of a cluster that we start: only requests and replies pass through it


def choose_devices(names: str, address: str, threads: int) -> tuple[str, ...]:
    """The kind of device of every worker; see `EngineModule`."""
    return (cluster_device(names, address),)


def workers_for_small_models(names: str) -> int:
    """As many as the cluster has room for, as with other weights."""
    return 0


@contextmanager
def open_pools(run: Path, options: ExecutionOptions, lock: RunLock) -> Iterator[PoolChoice]:
    """One pool on the cluster, made when it is first chosen."""
    pool: RayPool | None = None

    def choose(samples: int, alone: bool) -> tuple[WorkerPool, int]:
        nonlocal pool
        pool = pool or RayPool(
            run, options.devices[0], options.threads, options.workers, options.locks, patience_at(options.address)
        )
        return pool, 1 if alone else 0

    with cluster(options.address, options.workers * options.threads):
        try:
            yield choose
        finally:
            if pool is not None:
                pool.close()


@contextmanager
def cluster(address: str, cpus: int = 0) -> Iterator[None]:
    """Be connected to a cluster while the context lasts; an existing connection is used, and left as it is.

    Args:
        address: "auto" or host:port of an existing cluster; "" for the cluster of RAY_ADDRESS, or if that is not set
            for a new one on this machine.
        cpus: CPUs that a new cluster has at least; 0 for as many as the machine has.

    Raises:
        InputError: There is no cluster at the address.
        GillBenchError: The cluster cannot be started, or has another version of Ray or Python.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    target = _address(address)
    _check_address(target)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if target != _LOCAL:
            ray.init(address=target, **quiet)
        else:
            count = max(cpus, usable_processors())
            ray.init(address=_LOCAL, num_cpus=count, include_dashboard=False, object_store_memory=_STORE, **quiet)
    except ConnectionError as error:
        raise _no_cluster(target, first_line(error)) from error
    except (RayError, RuntimeError, ValueError, OSError) as error:
        raise GillBenchError(f"Ray: {first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Find out within seconds whether a cluster can be at an address; Ray itself takes minutes, and prints nothing.

    Raises:
        InputError: The text is no address, nobody listens there, or the answer is not HTTP/2, which Ray speaks.
    """
    if address in (_LOCAL, "auto"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError(f"--address {address}: expected auto or HOST:PORT, such as 10.0.0.1:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(_PREFACE)
            reply = connection.recv(9)
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error) or "no answer") from error
    if reply[3:4] != b"\x04":  # the type of a SETTINGS frame, with which HTTP/2 begins
        raise _no_cluster(address, "something else answers")


def _no_cluster(address: str, reason: str) -> InputError:
    return InputError(
        f"--address {address}: no Ray cluster there ({reason}); start one with: ray start --head,"
        " or leave --address out for one on this machine"
    )


def cluster_device(name: str, address: str) -> str:
    """The device of every worker: "cuda" if the cluster has accelerators that it hands out as GPUs.

    Args:
        name: "auto", "cpu" or "cuda".
        address: The address of a cluster as `cluster` takes it; none is started here.

    Raises:
        InputError: The name is another one, since Ray hands out the devices of each node; or the cluster has no GPUs.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name}: with --engine ray it is auto, cpu or cuda; Ray gives each worker its own")
    gpus = name != "cpu" and _has_gpus(address)
    if name == "cuda" and not gpus:
        raise InputError("--device cuda: the Ray cluster has no GPUs; see: ray status")
    return "cuda" if gpus else "cpu"


def _has_gpus(address: str) -> bool:
    if not ray.is_initialized() and _address(address) == _LOCAL:
        import torch

        return torch.cuda.is_available()
    with cluster(address):
        return bool(ray.cluster_resources().get("GPU", 0) >= 1)


def _address(address: str) -> str:
    return address or os.environ.get("RAY_ADDRESS") or _LOCAL


def patience_at(address: str) -> float:
    """Seconds that a cluster may take to place a worker: fewer for one that we started, which nobody else uses."""
    return _LOCAL_PATIENCE if _address(address) == _LOCAL else _REMOTE_PATIENCE


class RayPool:
    """A pool of Ray actors on the connected cluster.

    Args:
        run: The run directory.
        device: "cuda" for a GPU per worker, "cpu" for `threads` CPUs per worker.
        threads: CPU threads of each worker.
        count: How many workers; 0 for as many as the cluster has room for now.
        locks: False where the file system of the run has no locks.
        patience: After so many seconds without any worker the pool raises an error.
    """

    def __init__(
        self,
        run: Path,
        device: str,
        threads: int,
        count: int,
        locks: bool = True,
        patience: float = _REMOTE_PATIENCE,
    ) -> None:
        self._patience = patience
        self._setting = (run, device, threads, locks, os.getcwd(), _own_variables())  # noqa: PTH109
        self._needs = {"num_gpus": 1} if device == "cuda" else {"num_cpus": threads}
        self._count = count or max(1, _room(self._needs))
        self._actors: dict[int, Any] = {}
        self._starting: dict[int, Any] = {}
        self._requests: dict[int, deque[Any]] = {}
        self._nodes: dict[int, str] = {}
        self._deaths: Counter[int] = Counter()
        self._said_waiting = False
        self._none_since = 0.0  # the time since when no worker has been ready; 0.0 if one is

    def names(self) -> Sequence[str]:
        """Names such as "worker 2 (10.0.0.7)"."""
        return [f"worker {slot + 1} ({self._nodes.get(slot, 'no node yet')})" for slot in range(self._count)]

    def open(self, wanted: int) -> Sequence[int]:
        """Slots whose worker is ready on a node; Ray is asked for the workers that are not there."""
        for slot in range(min(wanted, self._count)):
            if slot not in self._actors:
                self._start(slot)
        return [slot for slot in range(min(wanted, self._count)) if slot not in self._starting]

    def give(self, slot: int, request: WorkRequest) -> None:
        """Queue a request at the slot's actor."""
        self._requests[slot].append(self._actors[slot].do.remote(request))

    def wait(self) -> Sequence[Event]:
        """Replies that have come and workers that have died; workers that became ready give no event."""
        waiting = {ref: slot for slot, ref in self._starting.items()}
        waiting |= {requests[0]: slot for slot, requests in self._requests.items() if requests}
        none_began = len(self._starting) == len(self._actors)
        self._none_since = (self._none_since or time.monotonic()) if none_began else 0.0
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=_PATIENCE)
        if not ready:
            self._lose_patience(none_began)
            return ()
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)  # all that is ready by now
        return [event for ref in ready for event in self._event(waiting[ref], ref)]

    def _lose_patience(self, none_began: bool) -> None:
        """Print that the cluster places no worker, and raise an error after a while.

        Raises:
            GillBenchError: No node is alive, or no worker was placed for minutes.
        """
        if not any(node["Alive"] for node in ray.nodes()):
            raise GillBenchError(
                "Ray: no node of the cluster is alive any more; its logs, such as /tmp/ray/session_latest/logs, say why"
                "\nall outputs made so far are kept: run the same command again, with a new cluster"
            )
        if not none_began:
            return  # other workers are ready, and can finish the jobs alone
        wanted = f"{len(self._starting)} workers with {self._needs} each"
        if not self._said_waiting:
            say(f"waiting for the Ray cluster to place {wanted}")
        self._said_waiting = True
        if time.monotonic() - self._none_since > self._patience:
            raise GillBenchError(
                f"Ray: the cluster placed none of {wanted} in {self._patience:.0f} seconds; see: ray status\n"
                "ask for fewer --workers or --threads, or add nodes, and run the same command again; all outputs made"
                " so far are kept"
            )

    def recall(self, slot: int) -> int:
        """No request: an actor does all that it was sent."""
        return 0

    def close(self) -> None:
        """End all actors."""
        for actor in self._actors.values():
            ray.kill(actor)
        for table in (self._actors, self._starting, self._requests):
            table.clear()

    def _start(self, slot: int) -> None:
        self._actors[slot] = ray.remote(max_restarts=0, max_task_retries=0, max_concurrency=DEPTH, **self._needs)(
            _Actor
        ).remote()
        self._starting[slot] = self._actors[slot].begin.remote(*self._setting)
        self._requests[slot] = deque()

    def _event(self, slot: int, ref: Any) -> Iterator[Event]:
        try:
            value = ray.get(ref)
        except RayActorError as error:
            yield from self._died(slot, error)
            return
        except RayError as error:  # an error of Ray: the actor's own errors come as replies
            raise GillBenchError(f"Ray: {first_line(error)}") from error
        if self._starting.get(slot) is ref:
            del self._starting[slot]
            if isinstance(value, Exception):
                raise value
            self._nodes[slot], self._deaths[slot] = value, 0
            return
        self._requests[slot].popleft()
        yield Event(slot, value)

    def _died(self, slot: int, error: RayActorError) -> Iterator[Event]:
        began = self._starting.pop(slot, None) is None
        ray.kill(self._actors[slot])  # an actor that merely cannot be reached would keep its accelerator
        del self._actors[slot], self._requests[slot]
        reason = _reason(error)
        if error.actor_init_failed:
            raise GillBenchError(f"Ray: a worker cannot begin: {reason}")
        if began:
            yield Event(slot, None, reason)
            return
        self._deaths[slot] += 1  # for example, placed on a node that had just gone
        if self._deaths[slot] >= _START:
            raise GillBenchError(f"Ray: {_START} workers died before they began, the last: {reason}")


class _Actor:
    """The worker, in a process of its node. Ray calls `do` in a thread for each request that the worker has."""

    def __init__(self) -> None:
        self._worker: Worker | None = None
        self._replies: deque[Future[WorkReply]] = deque()
        self._in_order = threading.Lock()

    def begin(
        self, run: Path, device: str, threads: int, locks: bool, folder: str, variables: dict[str, str]
    ) -> str | Exception:
        """Prepare for a run. Returns the node's address, or the reason why it cannot work."""
        os.environ.update(variables)
        where = ray.util.get_node_ip_address()
        if Path(folder).is_dir():
            os.chdir(folder)  # paths on the command line may be relative to this folder
        if not (run / "spec.json").is_file():
            return InputError(
                f"{run}: Ray's node {where} does not see this run directory; put it, the data and the weights on a"
                " file system that all nodes share under the same path"
            )
        import torch

        torch.set_num_threads(threads)
        self._worker = Worker(run, RunLock(run, locks=locks), device)
        threading.Thread(target=self._serve, daemon=True).start()
        return str(where)

    def do(self, request: WorkRequest) -> WorkReply:
        assert self._worker is not None
        reply: Future[WorkReply] = Future()
        with self._in_order:
            self._replies.append(reply)
            self._worker.give(request)
        return reply.result()

    def _serve(self) -> None:
        assert self._worker is not None
        try:
            serve(self._worker, lambda reply: self._replies.popleft().set_result(reply))
        finally:  # a model ended the thread: the whole actor ends, and its job goes to another one
            os._exit(1)


def _room(needs: dict[str, int]) -> int:
    """The number of workers that fit on the nodes that are alive."""
    ((resource, amount),) = needs.items()
    name = {"num_gpus": "GPU", "num_cpus": "CPU"}[resource]
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(node.get(name, 0)) // amount for node in nodes)


def _own_variables() -> dict[str, str]:
    """The environment variables of gill-bench, which workers get; all others are those of their nodes."""
    return {name: value for name, value in os.environ.items() if name.startswith("GILL_BENCH_")}


def _reason(error: RayActorError) -> str:
    """Ray's reason for a worker's death, without ids and advice."""
    if isinstance(error, ActorUnavailableError):
        return "cannot be reached"
    reasons = [line.strip() for line in str(error).splitlines() if "because" in line]
    return reasons[0][:120] if reasons else "died"
