"""Recall@k and nearest candidates: speed against torch and torchmetrics in interleaved rounds, peak memory at scale.

    python benchmarks/recall.py [--rounds 5] [--candidates 2700000]

Ranks: 2,000 queries, 2,000 candidates of 256 dimensions, matrix products included. torch.topk and torchmetrics get the
same scores; for torchmetrics they are shifted above zero, since it is wrong for scores of 0 or less. Search: the five
nearest of 2.7 million candidates in a float16 memory map, in a process of its own, compared with torch on the whole
matrix in float32.
Aims: ranks as fast as the topk loop within a factor of 2, the search within 4 GB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

QUERIES, DIMENSIONS, K = 2000, 256, 10


def unit(rows: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).standard_normal((rows, DIMENSIONS), dtype=np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    return values


def compare(rounds: int) -> None:
    import torch
    from torchmetrics.retrieval import RetrievalRecall

    from gill_bench.metrics.functional.ranking import blocks_of, ranks, recall_at

    torch.set_num_threads(1)
    candidates, targets = unit(QUERIES, 0), np.arange(QUERIES)
    queries = candidates * 0.2 + unit(QUERIES, 1)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    tensors = torch.from_numpy(queries), torch.from_numpy(candidates)

    def with_ranks() -> float:
        return recall_at(ranks(queries, targets, lambda: blocks_of(candidates)), K)

    def topk_loop() -> float:
        hits = 0
        for number, scores in enumerate(tensors[0] @ tensors[1].T):
            hits += number in scores.topk(K).indices.tolist()
        return hits / QUERIES

    def topk_matrix() -> float:
        nearest = (tensors[0] @ tensors[1].T).topk(K, dim=1).indices
        return float((nearest == torch.arange(QUERIES)[:, None]).any(dim=1).float().mean())

    def metric() -> float:
        scores = tensors[0] @ tensors[1].T + 2
        rows = torch.arange(QUERIES).repeat_interleave(QUERIES)
        return float(RetrievalRecall(top_k=K)(scores.flatten(), torch.eye(QUERIES).bool().flatten(), indexes=rows))

    ways: dict[str, Callable[[], float]] = {
        "gill-bench": with_ranks,
        "torch.topk, a query at a time": topk_loop,
        "torch.topk, whole matrix": topk_matrix,
        "torchmetrics RetrievalRecall": metric,
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(rounds + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                values[name] = way()
                if turn:  # the first warms up
                    seconds[name].append(time.perf_counter() - start)
    base = statistics.median(seconds["gill-bench"])
    for name, turns in seconds.items():
        median = statistics.median(turns)
        print(
            f"{name:30}  recall@{K} {values[name]:.4f}  {QUERIES / median:8.0f} queries/s  time x{median / base:.2f}",
            flush=True,
        )


def search(file: Path, queries: int, way: str) -> None:
    """Search once in this process, and print the time and peak memory."""
    matrix = np.load(file, mmap_mode="r")
    wanted = unit(queries, 2)
    if way == "gill-bench":
        from gill_bench.metrics.functional.ranking import blocks_of, top_k

        start = time.perf_counter()
        nearest = top_k(wanted, blocks_of(matrix), 5).indices
    else:
        import torch

        torch.set_num_threads(1)
        start = time.perf_counter()
        whole = torch.from_numpy(matrix.astype(np.float32))
        nearest = (torch.from_numpy(wanted) @ whole.T).topk(5, dim=1).indices.numpy()
    seconds = time.perf_counter() - start
    # The peak of this program alone, since `ru_maxrss` starts from the parent's memory. Pages of the mapped file
    # are part of the peak, although the system may take them back.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    record = {
        "way": way,
        "queries": queries,
        "seconds": round(seconds, 1),
        "peak_MiB": int(status["VmHWM"].split()[0]) // 1024,
        "file_MiB": file.stat().st_size >> 20,
        "checksum": int(nearest.sum()),
    }
    print(json.dumps(record))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--candidates", type=int, default=2_700_000)
    parser.add_argument("--search", nargs=3, metavar=("FILE", "QUERIES", "WAY"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.search:
        file, queries, way = options.search
        search(Path(file), int(queries), way)
        return
    compare(options.rounds)
    with tempfile.TemporaryDirectory(prefix="gill-bench-recall-") as folder:
        file = Path(folder) / "candidates.npy"
        step = 100_000
        shape = (options.candidates, DIMENSIONS)
        out = np.lib.format.open_memmap(file, mode="w+", dtype=np.float16, shape=shape)
        for start in range(0, options.candidates, step):
            out[start : start + step] = unit(min(step, options.candidates - start), 10 + start // step)
        out.flush()
        del out
        for queries in (1, 100):
            for way in ("gill-bench", "torch"):
                command = [sys.executable, __file__, "--search", str(file), str(queries), way]
                print(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout, end="", flush=True)


if __name__ == "__main__":
    main()
