"""Compare a run on a Ray cluster of two nodes on this machine, whose nodes are killed, with a local run.

    python -m benchmarks.ray_nodes [vist ...] [--kills 2] [--limit 16] [--seeds 2] [--pause 0.2]

Each kill ends a node that has a worker, as a power failure would, and a new node joins. The run must end complete, and
every file whose bytes are promised must equal that of a local run. The benchmark prints one line of JSON and ends with
1 if a file differs.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.promised import promised_files

ROOT = Path(__file__).resolve().parents[1]
CARDS = ROOT / "tests" / "cards"
SMALL: dict[str, Any] = {"include_dashboard": False, "object_store_memory": 100 * 2**20}


def command(out: Path, options: argparse.Namespace, *more: str) -> list[str]:
    """Return the command that runs the model that costs nothing."""
    return [
        *(sys.executable, "-m", "gill_bench", "run", *options.tasks, "--models", "able", "--cards", str(CARDS)),
        *("--limit", str(options.limit), "--seeds", str(options.seeds), "--device", "cpu", "--threads", "1", "--json"),
        *("--out", str(out), *more),
    ]


def units(run: Path) -> int:
    """Return the committed units."""
    return len(list(run.glob("units/*/*/*/*/unit.json")))


def wait_for(run: Path, count: int, said: Path, process: subprocess.Popen[str]) -> None:
    """Wait until `count` units are committed and both workers have begun, or the process has ended."""
    while process.poll() is None:
        begun = sum(f": loading on worker {number} (" in said.read_text() for number in (1, 2))
        if begun == 2 and units(run) >= count:
            return
        time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=["vist"])
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--limit", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--pause", type=float, default=0.2)
    options = parser.parse_args()
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1", "NOISY_PAUSE": "0"}
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="gill-bench-ray-") as name:
        local, distant, messages = Path(name) / "local", Path(name) / "ray", Path(name) / "messages"
        subprocess.run(command(local, options, "--workers", "1"), check=True, capture_output=True)
        os.environ["NOISY_PAUSE"] = str(options.pause)  # which the nodes hand to their workers
        whole = units(local)
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **SMALL})
        try:
            nodes = [cluster.add_node(num_cpus=1, object_store_memory=SMALL["object_store_memory"]) for _ in range(2)]
            start = time.perf_counter()
            with messages.open("w") as file:
                process = subprocess.Popen(
                    command(distant, options, "--engine", "ray", "--address", cluster.address, "--workers", "2"),
                    stdout=subprocess.PIPE,
                    stderr=file,
                    text=True,
                )
            killed = 0
            for kill in range(options.kills):
                wait_for(distant, (kill + 1) * whole // (options.kills + 2), messages, process)
                if process.poll() is not None:
                    break
                cluster.remove_node(nodes.pop(0), allow_graceful=False)
                killed += 1
                nodes.append(cluster.add_node(num_cpus=1, object_store_memory=SMALL["object_store_memory"]))
            printed, _ = process.communicate(timeout=600)
            said = messages.read_text()
            seconds = time.perf_counter() - start
        finally:
            cluster.shutdown()
        same = process.returncode == 0 and promised_files(local) == promised_files(distant)
        same = same and printed == (local / "results.json").read_text()  # and nothing of Ray's between it
        print(said, file=sys.stderr)
        print(
            json.dumps(
                {"units": whole, "nodes_killed": killed, "exit": process.returncode, "identical": same}
                | {"seconds": round(seconds, 1), "redone": said.count("its work is done again")}
            )
        )
    return 0 if same and killed == options.kills else 1


if __name__ == "__main__":
    sys.exit(main())
