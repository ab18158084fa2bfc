"""The Ray engine on a cluster of two nodes on this machine; `benchmarks/ray_nodes.py` is the longer form."""

from __future__ import annotations

import builtins
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gill_bench.errors import InputError
from gill_bench.runs.planning import make_plan
from tests.conftest import ROOT
from tests.runs.helpers import ask


def test_a_node_that_dies_costs_nothing_and_the_bytes_are_those_of_a_local_run() -> None:
    """In processes of their own: sockets are blocked in this one."""
    tasks = ("visdial-answers", "visdial-retrieval")
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "ray_nodes.py", *tasks, "--kills", "1", "--limit", "40"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found = json.loads(done.stdout)
    assert found["nodes_killed"] == 1
    assert found["redone"] >= 1
    assert found["identical"]
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


def test_no_cluster_at_an_address_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from gill_bench.engines import ray as engine

    def nowhere(**options: Any) -> None:
        assert options["address"] == "10.0.0.1:6379"
        raise ConnectionError("nobody there\nand more")

    monkeypatch.setattr("ray.init", nowhere)
    reason = r"--address 10.0.0.1:6379: no Ray cluster there \(nobody there\); start one"
    with pytest.raises(InputError, match=reason), engine.cluster("10.0.0.1:6379"):
        raise AssertionError("connected to nothing")


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
        make_plan(ask(tmp_path / "run", engine="ray"))


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
def test_what_does_not_go_together_is_refused(tmp_path: Path, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match="^" + reason):
        make_plan(ask(tmp_path / "run", **options))
