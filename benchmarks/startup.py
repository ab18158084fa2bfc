"""How soon the light commands answer, as a ratio to an empty Python process in the same round.

    python benchmarks/startup.py [--rounds 9]

Aim: `gill-bench --help` under 150 ms, `gill-bench list` under 300 ms.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "gill-bench --help": [sys.executable, "-m", "gill_bench", "--help"],
    "gill-bench list": [sys.executable, "-m", "gill_bench", "list"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(parser.parse_args().rounds):
        for name, command in COMMANDS.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - start)
    empty = statistics.median(seconds["python -c pass"])
    for name, found in seconds.items():
        median = statistics.median(found)
        print(f"{name:18}  median {1000 * median:4.0f} ms  min {1000 * min(found):4.0f} ms  ratio {median / empty:.1f}")


if __name__ == "__main__":
    main()
