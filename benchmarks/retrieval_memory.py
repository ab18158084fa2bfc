"""Time and peak memory of converting the authors' retrieval embeddings, and of searching them, at full size.

    python benchmarks/retrieval_memory.py [--candidates 2700000] [--form array|arrays|tensors]

A pickle as large as the published file (2.7 million x 256, float32, with URLs) is written, converted by
`convert-embeddings` and searched with 1 and with 3 queries, each in a process of its own. The disk needs room for three
times the file. `peak_anonymous` is memory of the process alone; `peak` also counts mapped pages, which the system takes
back when memory is short.
Aim: the search within 4 GB.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

WIDTH = 256


def write_pickle(file: Path, count: int, form: str) -> None:
    """Write a pickle as the authors' script does: one array, or a list of arrays, or of bfloat16 tensors."""
    rows = np.random.default_rng(0).standard_normal((count, WIDTH), dtype=np.float32)
    embeddings: object = rows
    if form == "arrays":
        embeddings = list(rows)
    if form == "tensors":
        import torch

        embeddings = [row.clone() for row in torch.from_numpy(rows).bfloat16()]
    paths = [f"https://images.example.org/some/folder/with/a/long/name/{number:09d}.jpg" for number in range(count)]
    with file.open("wb") as opened:
        pickle.dump({"paths": paths, "embeddings": embeddings}, opened)


def status() -> dict[str, int]:
    lines = (line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {name: int(value.split()[0]) // 1024 for name, value in lines if name in ("VmHWM", "RssAnon")}


class Watch:
    """A thread that samples the anonymous memory, of which the system keeps no peak."""

    def __init__(self) -> None:
        self.peak = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.02):
            self.peak = max(self.peak, status()["RssAnon"])

    def stop(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.peak


def step(name: str, source: Path, folder: Path, queries: int) -> None:
    from gill_bench.embeddings.convert import convert_embeddings
    from gill_bench.embeddings.store import read_embeddings

    watch, start = Watch(), time.perf_counter()
    record: dict[str, object] = {"step": name}
    if name == "convert":
        convert_embeddings([source], folder)
        record["file_MiB"] = source.stat().st_size >> 20
    else:
        candidates = read_embeddings(folder)
        record["open_seconds"] = round(time.perf_counter() - start, 1)
        wanted = np.random.default_rng(1).standard_normal((queries, WIDTH), dtype=np.float32)
        start = time.perf_counter()
        near = candidates.nearest(wanted, 3 * queries)
        record |= {"queries": queries, "first": candidates.path(int(near.indices[0, 0]))}
    record |= {"seconds": round(time.perf_counter() - start, 1), "peak_anonymous_MiB": watch.stop()}
    print(json.dumps({**record, "peak_MiB": status()["VmHWM"]}), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=2_700_000)
    parser.add_argument("--form", choices=("array", "arrays", "tensors"), default="array")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        name, source, folder, queries = options.step
        step(name, Path(source), Path(folder), int(queries))
        return
    with tempfile.TemporaryDirectory(prefix="gill-bench-retrieval-") as root:
        source, folder = Path(root) / "cc3m.npy", Path(root) / "converted"
        write_pickle(source, options.candidates, options.form)
        for name, queries in (("convert", 0), ("search", 1), ("search", 3)):
            words = ["--step", name, str(source), str(folder), str(queries)]
            subprocess.run([sys.executable, __file__, *words], check=True)


if __name__ == "__main__":
    main()
