"""Cost of the harness itself: time of a whole run divided by the time of the bare model calls in the run.

    python benchmarks/overhead.py [--stories 32] [--seeds 5] [--models gill,stable-diffusion]

Both times are taken in one run, so that they share the machine's speed: every call of an adapter and of a metric's
backbone is timed on its own, with the batches that the run uses, and the whole run is timed from the plan to
results.json. Loading libraries and weights is left out of both. Aim: a ratio of at most 1.15.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from gill_bench.evaluate import execute
from gill_bench.metrics.picture import PictureMetric
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.planning.plan import make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.planning.resolved import ResolvedModel

T = TypeVar("T")


class Clock:
    """Seconds spent inside timed calls."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timed(self, function: Callable[..., T]) -> Callable[..., T]:
        def call(*arguments: Any, **options: Any) -> T:
            start = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - start

        return call


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=32)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", default="gill,stable-diffusion")
    options = parser.parse_args()
    calls, loading = Clock(), Clock()
    load_model, load_metric = ResolvedModel.load, ResolvedMetric.load

    def model(resolved: ResolvedModel, device: str) -> object:
        loaded: Any = loading.timed(load_model)(resolved, device)
        loaded.generate_images = calls.timed(loaded.generate_images)
        return loaded

    def metric(resolved: ResolvedMetric, device: str) -> PictureMetric:
        loaded: Any = loading.timed(load_metric)(resolved, device)
        loaded.prepare, loaded.embed = calls.timed(loaded.prepare), calls.timed(loaded.embed)
        loaded.compare = calls.timed(loaded.compare)
        return loaded  # type: ignore[no-any-return]

    setattr(ResolvedModel, "load", model)  # noqa: B010
    setattr(ResolvedMetric, "load", metric)  # noqa: B010
    out = Path(tempfile.mkdtemp(prefix="gill-bench-overhead-"))
    try:
        request = RunRequest(
            tasks=("vist",),
            out=out / "run",
            models=tuple(options.models.split(",")),
            seeds=options.seeds,
            limit=options.stories,
            device="cpu",
            workers=1,
        )
        make_plan(request)  # imports and the embedded files, which are no part of a run
        start = time.perf_counter()
        rows = execute(make_plan(request)).results.rows
        whole = time.perf_counter() - start - loading.seconds
    finally:
        shutil.rmtree(out)
    print(
        json.dumps(
            {
                "samples": sum(row.n_scored for row in rows) // 2,
                "whole_run_s": round(whole, 2),
                "model_calls_s": round(calls.seconds, 2),
                "ratio": round(whole / calls.seconds, 3),
                "overhead_ms_per_sample": round(
                    1000 * (whole - calls.seconds) / (sum(r.n_scored for r in rows) / 2), 2
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
