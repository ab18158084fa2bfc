"""The Ray engine on a cluster of two nodes on this machine; `benchmarks/ray_nodes.py` is the longer form."""

from __future__ import annotations

import builtins
import collections
import itertools
import json
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gill_bench.errors import GillBenchError, InputError
from gill_bench.planning.plan import make_plan
from tests.conftest import ROOT
from tests.support.runs import run_request


@pytest.mark.slow
def test_a_node_that_dies_costs_nothing_and_the_bytes_are_those_of_a_local_run() -> None:
    """The runs are processes of their own, since sockets are blocked in this process."""
    tasks = ("visdial-answers", "visdial-retrieval")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ray_nodes", *tasks, "--kills", "1", "--limit", "40"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    report = json.loads(done.stdout)
    assert report["nodes_killed"] == 1
    assert report["redone"] >= 1
    assert report["identical"]
    assert "able: loading on worker 1 (" in done.stderr
    assert "raylet" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_cluster_decides_which_devices_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from gill_bench.engines import ray as engine

    monkeypatch.setattr("ray.is_initialized", lambda: True)
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0, "GPU": 2.0})
    assert [engine.cluster_device(name, "") for name in ("auto", "cuda", "cpu")] == ["cuda", "cuda", "cpu"]
    with pytest.raises(InputError, match="--device cuda:1: with --engine ray it is auto, cpu or cuda"):
        engine.cluster_device("cuda:1", "")
    monkeypatch.setattr("ray.cluster_resources", lambda: {"CPU": 8.0})
    assert engine.cluster_device("auto", "") == "cpu"
    with pytest.raises(InputError, match="--device cuda: the Ray cluster has no GPUs"):
        engine.cluster_device("cuda", "")


def test_an_address_where_ray_finds_no_cluster_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from gill_bench.engines import ray as engine

    def nowhere(**options: Any) -> None:
        assert options["address"] == "auto"
        raise ConnectionError("nobody there\nand more")

    monkeypatch.setattr("ray.init", nowhere)
    reason = r"--address auto: no Ray cluster there \(nobody there\); start one"
    with pytest.raises(InputError, match=reason), engine.cluster("auto"):
        raise AssertionError("connected to nothing")


def answer_once(server: socket.socket, answer: bytes) -> None:
    """Answer whoever connects next."""
    with server.accept()[0] as connection:
        connection.sendall(answer)
        connection.recv(100)


@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize("scheme", ["", "ray://"])
@pytest.mark.parametrize(
    ("answer", "reason"), [(None, "Connection refused"), (b"HTTP/1.0 400 Bad Request\r\n", "something else answers")]
)
def test_an_address_without_a_cluster_is_known_before_ray_is_asked(
    answer: bytes | None, reason: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray asks a closed port again and again, for minutes and without a word."""
    from gill_bench.engines import ray as engine

    monkeypatch.setattr("ray.init", lambda **_: pytest.fail("Ray was asked"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if answer is None:
            server.close()
        else:
            threading.Thread(target=answer_once, args=(server, answer), daemon=True).start()
        address = f"{scheme}127.0.0.1:{port}"
        pattern = f"^--address {address}: no Ray cluster there .{reason}.; start one with: ray start --head"
        with pytest.raises(InputError, match=pattern), engine.cluster(address):
            raise AssertionError("connected to nothing")


@pytest.mark.usefixtures("socket_enabled")
def test_an_address_where_http_2_is_spoken_is_left_to_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    from gill_bench.engines import ray as engine

    addresses: list[str] = []
    monkeypatch.setattr("ray.init", lambda **options: addresses.append(options["address"]))
    monkeypatch.setattr("ray.shutdown", lambda: None)
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
        threading.Thread(target=answer_once, args=(server, settings), daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with engine.cluster(address):
            assert addresses == [address]


@pytest.mark.parametrize("address", ["nonsense", "host:", ":6379", "host:port", "host:99999"])
def test_a_text_that_is_no_address_is_refused(address: str) -> None:
    from gill_bench.engines import ray as engine

    with pytest.raises(InputError, match=f"^--address {address}: expected auto or HOST:PORT"), engine.cluster(address):
        raise AssertionError("connected to nothing")


def waiting_pool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, alive: bool, patience: float) -> Any:
    """A pool of two workers on a cluster that never places one."""
    from gill_bench.engines import ray as engine

    monkeypatch.setattr("ray.nodes", lambda: [{"Alive": alive, "Resources": {"CPU": 2.0}}])
    monkeypatch.setattr("ray.wait", lambda refs, **_: ([], refs))
    pool = engine.RayPool(tmp_path, "cpu", 1, 2, patience=patience)
    pool._actors, pool._starting = {0: "a", 1: "b"}, {0: "begin a", 1: "begin b"}
    return pool


def test_a_cluster_that_places_no_worker_is_given_up_with_a_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pool = waiting_pool(monkeypatch, tmp_path, alive=True, patience=100)
    clock = itertools.count(1.0, 40.0)
    monkeypatch.setattr("gill_bench.engines.ray.time.monotonic", clock.__next__)
    assert list(pool.wait()) == []
    assert "waiting for the Ray cluster to place 2 workers with {'num_cpus': 1} each" in capsys.readouterr().err
    with pytest.raises(
        GillBenchError, match=r"the cluster placed none of 2 workers .* in 100 seconds; see: ray status"
    ):
        collections.deque(iter(pool.wait, None), maxlen=0)


def test_a_cluster_without_nodes_is_given_up_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster has no node left after Ray's agent was killed, since its node dies with the agent."""
    pool = waiting_pool(monkeypatch, tmp_path, alive=False, patience=1000)
    with pytest.raises(GillBenchError, match=r"^Ray: no node of the cluster is alive any more"):
        pool.wait()


def test_a_node_that_does_not_see_the_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gill_bench.engines.ray import _Actor

    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "10.0.0.7")
    monkeypatch.chdir(tmp_path)
    said = _Actor().begin(tmp_path / "run", "cpu", 1, True, str(tmp_path), {})
    assert isinstance(said, InputError)
    assert "Ray's node 10.0.0.7 does not see this run directory; put it, the data and the weights on" in str(said)


def test_without_ray_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def none(name: str, *others: Any, **more: Any) -> Any:
        if name == "ray" or name.startswith("ray."):
            raise ImportError("No module named 'ray'")
        return real(name, *others, **more)

    monkeypatch.delitem(sys.modules, "gill_bench.engines.ray", raising=False)
    monkeypatch.setattr(builtins, "__import__", none)
    with pytest.raises(InputError, match=r"--engine ray: Ray is not installed; install it with: pip install 'gill-ben"):
        make_plan(run_request(tmp_path / "run", engine="ray"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"engine": "rya"}, "--engine rya: did you mean 'ray'"),
        ({"address": "auto"}, "--address auto: it is that of a Ray cluster; use it with --engine ray"),
        ({"shard": (4, 3)}, "--shard 4/3: expected PART/PARTS, such as 3/16"),
        ({"device": "cpu,meta"}, "--devices cpu,meta: results may differ between kinds of devices"),
        ({"device": "cpu,nothing"}, "--device nothing: "),
    ],
)
def test_options_of_engines_that_do_not_go_together_are_refused(
    tmp_path: Path, options: dict[str, Any], reason: str
) -> None:
    with pytest.raises(InputError, match="^" + reason):
        make_plan(run_request(tmp_path / "run", **options))
