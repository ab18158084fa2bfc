"""Time of the light commands and of a dry run, as a ratio to an empty Python process in the same round.

    python benchmarks/startup.py [--rounds 9]

Aims: `gill-bench --help` under 150 ms, `gill-bench list` under 300 ms; a dry run of `vist`, which imports no torch,
under the processor time of that import.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "gill-bench --help": [sys.executable, "-m", "gill_bench", "--help"],
    "gill-bench list": [sys.executable, "-m", "gill_bench", "list"],
    "import torch": [sys.executable, "-c", "import torch"],
    "run vist --dry-run": [sys.executable, "-m", "gill_bench", "run", "vist", "--dry-run", "--out"],
}


def processor_seconds() -> float:
    """Return the processor time of all child processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    rounds = parser.parse_args().rounds
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="gill-bench-startup-") as folder:
        for _ in range(rounds):
            for name, command in COMMANDS.items():
                words = [*command, f"{folder}/run"] if command[-1] == "--out" else command
                start, processor = time.perf_counter(), processor_seconds()
                subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                seconds[name].append((time.perf_counter() - start, processor_seconds() - processor))
    empty = statistics.median(elapsed for elapsed, _ in seconds["python -c pass"])
    for name, times in seconds.items():
        elapsed, processor = (statistics.median(column) for column in zip(*times, strict=True))
        shortest = min(elapsed for elapsed, _ in times)
        print(
            f"{name:18}  median {1000 * elapsed:5.0f} ms  min {1000 * shortest:5.0f} ms  ratio {elapsed / empty:6.1f}"
            f"  processor {1000 * processor:5.0f} ms"
        )


if __name__ == "__main__":
    main()
