"""Workers on the nodes of a Ray cluster, one per accelerator or share of CPUs; imported only when it is asked for.

Orders and answers go through Ray, outputs do not: each worker writes them to the run directory, which every node must
see under the same path, as it must the data and the weights. What Ray itself has to say stays in its own logs: its
messages would land between ours, and on stdout between data.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gill_bench.engines.dispatcher import Event
from gill_bench.engines.worker import Worker, WorkReply, WorkRequest, answer
from gill_bench.errors import GillBenchError, InputError
from gill_bench.progress import say
from gill_bench.storage.read_ahead import usable_processors
from gill_bench.weights.checkpoints import first_line

try:
    import ray
    from ray.exceptions import ActorUnavailableError, RayActorError, RayError
except ImportError as missing:
    raise InputError("--engine ray: Ray is not installed; install it with: pip install 'gill-bench[ray]'") from missing

_HERE = "local"  # what Ray calls a cluster of one's own
_START = 5  # workers that may die at one seat before they begin
_PATIENCE = 20.0  # seconds without a worker before it is said
_OWN_PATIENCE, _THEIR_PATIENCE = 120.0, 900.0  # ... before it is an error: in a cluster of our own, and in another
_ANSWER = 5.0  # seconds in which something must answer at a cluster's address
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # RFC 9113: with empty SETTINGS
_STORE = 200 * 2**20  # bytes of shared memory of a cluster of our own: only orders and answers pass through it


@contextmanager
def cluster(address: str, cpus: int = 0) -> Iterator[None]:
    """Be connected to a cluster while the context lasts; a connection that is there already is used, and left.

    Args:
        address: "auto" or host:port of a cluster that is there; "" for that of RAY_ADDRESS, else one is started on this
            machine.
        cpus: CPUs that one on this machine has at least; 0 for as many as there are.

    Raises:
        InputError: There is no cluster at the address.
        GillBenchError: It cannot be started, or it runs another version of Ray or Python.
    """
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    place = _place(address)
    _check_address(place)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    ray._private.worker._worker_logs_enabled = False  # the notices that `log_to_driver` leaves on, on stdout
    try:
        if place != _HERE:
            ray.init(address=place, **quiet)
        else:
            count = max(cpus, usable_processors())
            ray.init(address=_HERE, num_cpus=count, include_dashboard=False, object_store_memory=_STORE, **quiet)
    except ConnectionError as error:
        raise _no_cluster(place, first_line(error)) from error
    except (RayError, RuntimeError, ValueError, OSError) as error:
        raise GillBenchError(f"Ray: {first_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()
        ray._private.worker._worker_logs_enabled = True


def _check_address(address: str) -> None:
    """Find out within seconds that no cluster is at an address, for which Ray itself takes minutes without a word.

    Raises:
        InputError: The address is not one, nobody listens there, or what answers does not speak HTTP/2, as Ray does.
    """
    if address in (_HERE, "auto"):
        return
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
        raise InputError(f"--address {address}: expected auto or HOST:PORT, such as 10.0.0.1:6379")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), _ANSWER) as connection:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            connection.sendall(_PREFACE)
            answered = connection.recv(9)
    except OSError as error:
        raise _no_cluster(address, error.strerror or str(error) or "no answer") from error
    if answered[3:4] != b"\x04":  # the type of a SETTINGS frame, which must come first
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
        address: As in `cluster`; one that would be started on this machine is not.

    Raises:
        InputError: Another device, since Ray hands out each node's; or the cluster has none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"--device {name}: with --engine ray it is auto, cpu or cuda; Ray gives each worker its own")
    gpus = name != "cpu" and _has_gpus(address)
    if name == "cuda" and not gpus:
        raise InputError("--device cuda: the Ray cluster has no GPUs; see: ray status")
    return "cuda" if gpus else "cpu"


def _has_gpus(address: str) -> bool:
    if not ray.is_initialized() and _place(address) == _HERE:
        import torch

        return torch.cuda.is_available()
    with cluster(address):
        return bool(ray.cluster_resources().get("GPU", 0) >= 1)


def _place(address: str) -> str:
    return address or os.environ.get("RAY_ADDRESS") or _HERE


def patience_at(address: str) -> float:
    """Seconds that a cluster may take to place a worker: one that was started for us has nothing to wait for."""
    return _OWN_PATIENCE if _place(address) == _HERE else _THEIR_PATIENCE


class Actors:
    """A pool of Ray actors on the connected cluster.

    Args:
        run: The run directory.
        device: "cuda": a GPU each; "cpu": CPUs each.
        threads: CPU threads of each.
        count: Workers; 0 for as many as the cluster has room for now.
        locks: As in `RunLock`.
        patience: Seconds without any worker that are an error.
    """

    def __init__(
        self,
        run: Path,
        device: str,
        threads: int,
        count: int,
        locks: bool = True,
        patience: float = _THEIR_PATIENCE,
    ) -> None:
        self._patience = patience
        self._setting = (run, device, threads, locks, os.getcwd(), _own_variables())  # noqa: PTH109
        self._needs = {"num_gpus": 1} if device == "cuda" else {"num_cpus": threads}
        self._count = count or max(1, _room(self._needs))
        self._actors: dict[int, Any] = {}
        self._starting: dict[int, Any] = {}
        self._orders: dict[int, deque[Any]] = {}
        self._nodes: dict[int, str] = {}
        self._deaths: Counter[int] = Counter()
        self._told = False
        self._without = 0.0  # since when there is no worker

    def names(self) -> Sequence[str]:
        """Such as "worker 2 (10.0.0.7)"."""
        return [f"worker {seat + 1} ({self._nodes.get(seat, 'no node yet')})" for seat in range(self._count)]

    def open(self, wanted: int) -> Sequence[int]:
        """Those that are placed on a node and have begun; asks Ray for those that are not there."""
        for seat in range(min(wanted, self._count)):
            if seat not in self._actors:
                self._start(seat)
        return [seat for seat in range(min(wanted, self._count)) if seat not in self._starting]

    def give(self, seat: int, order: WorkRequest) -> None:
        """Queue an order at the actor."""
        self._orders[seat].append(self._actors[seat].do.remote(order))

    def wait(self) -> Sequence[Event]:
        """The next answers, deaths and arrivals."""
        waiting = {ref: seat for seat, ref in self._starting.items()}
        waiting |= {orders[0]: seat for seat, orders in self._orders.items() if orders}
        none_began = len(self._starting) == len(self._actors)
        self._without = (self._without or time.monotonic()) if none_began else 0.0
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=_PATIENCE)
        if not ready:
            self._lose_patience(none_began)
            return ()
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0)  # what else is there by now
        return [event for ref in ready for event in self._event(waiting[ref], ref)]

    def _lose_patience(self, none_began: bool) -> None:
        """Say that the cluster places no worker, and give up after a while.

        Raises:
            GillBenchError: No node is left, or no worker could be placed for minutes.
        """
        if not any(node["Alive"] for node in ray.nodes()):
            raise GillBenchError(
                "Ray: no node of the cluster is alive any more; its logs, such as /tmp/ray/session_latest/logs, say why"
                "\nwhat was made is kept: the same command goes on, with a new cluster"
            )
        if not none_began:
            return  # others are at work, and finish it if need be
        wanted = f"{len(self._starting)} workers with {self._needs} each"
        if not self._told:
            say(f"waiting for the Ray cluster to place {wanted}")
        self._told = True
        if time.monotonic() - self._without > self._patience:
            raise GillBenchError(
                f"Ray: the cluster placed none of {wanted} in {self._patience:.0f} seconds; see: ray status\n"
                "ask for fewer --workers or --threads, or add nodes; what was made is kept: the same command goes on"
            )

    def close(self) -> None:
        """End all actors."""
        for actor in self._actors.values():
            ray.kill(actor)
        for left in (self._actors, self._starting, self._orders):
            left.clear()

    def _start(self, seat: int) -> None:
        self._actors[seat] = ray.remote(max_restarts=0, max_task_retries=0, **self._needs)(_Actor).remote()
        self._starting[seat] = self._actors[seat].begin.remote(*self._setting)
        self._orders[seat] = deque()

    def _event(self, seat: int, ref: Any) -> Iterator[Event]:
        try:
            found = ray.get(ref)
        except RayActorError as error:
            yield from self._died(seat, error)
            return
        except RayError as error:  # not of the actor's code, which tells its errors
            raise GillBenchError(f"Ray: {first_line(error)}") from error
        if self._starting.get(seat) is ref:
            del self._starting[seat]
            if isinstance(found, Exception):
                raise found
            self._nodes[seat], self._deaths[seat] = found, 0
            return
        self._orders[seat].popleft()
        yield Event(seat, found)

    def _died(self, seat: int, error: RayActorError) -> Iterator[Event]:
        began = self._starting.pop(seat, None) is None
        ray.kill(self._actors[seat])  # one that only cannot be reached would keep its accelerator
        del self._actors[seat], self._orders[seat]
        reason = _reason(error)
        if error.actor_init_failed:
            raise GillBenchError(f"Ray: a worker cannot begin: {reason}")
        if began:
            yield Event(seat, None, reason)
            return
        self._deaths[seat] += 1  # such as placed on a node that had just gone
        if self._deaths[seat] >= _START:
            raise GillBenchError(f"Ray: {_START} workers died before they began, the last: {reason}")


class _Actor:
    """A worker at its node."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    def begin(
        self, run: Path, device: str, threads: int, locks: bool, folder: str, variables: dict[str, str]
    ) -> str | Exception:
        """Take up a run; says which node this is, or why it cannot."""
        from gill_bench.rundir.lock import RunLock

        os.environ.update(variables)
        where = ray.util.get_node_ip_address()
        if Path(folder).is_dir():
            os.chdir(folder)  # which paths on the command line were relative to
        if not (run / "spec.json").is_file():
            return InputError(
                f"{run}: Ray's node {where} does not see this run directory; put it, the data and the weights on a"
                " file system that all nodes share under the same path"
            )
        import torch

        torch.set_num_threads(threads)
        self._worker = Worker(run, RunLock(run, locks=locks), device)
        return str(where)

    def do(self, order: WorkRequest) -> WorkReply:
        """Do an order."""
        assert self._worker is not None
        return answer(self._worker, order)


def _room(needs: dict[str, int]) -> int:
    """How many workers fit on the nodes that are there."""
    ((resource, amount),) = needs.items()
    name = {"num_gpus": "GPU", "num_cpus": "CPU"}[resource]
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(node.get(name, 0)) // amount for node in nodes)


def _own_variables() -> dict[str, str]:
    """Our own environment variables; no others, since those of a cluster's nodes may be set for a reason."""
    return {name: value for name, value in os.environ.items() if name.startswith("GILL_BENCH_")}


def _reason(error: RayActorError) -> str:
    """What Ray tells of a death, without ids and advice."""
    if isinstance(error, ActorUnavailableError):
        return "cannot be reached"
    told = [line.strip() for line in str(error).splitlines() if "because" in line]
    return told[0][:120] if told else "died"
