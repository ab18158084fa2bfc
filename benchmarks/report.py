"""Cost of a report of a large run: tables alone, the page, the page again, against reading the run's files once.

    python benchmarks/report.py [--examples 10000] [--seeds 5] [--models 2] [--side 48] [--keep DIR]

The run is made up: pictures of noise and shapes of side x side pixels, two metrics, units of 16 stories. Each step runs
in a process of its own, so that its peak memory does not include that of other steps. Aims: 100,000 samples in under 10
s and 1 GB.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from gill_bench.cards.find import Cards
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.rows import Results, Row
from gill_bench.rundir.writer import write_results
from gill_bench.storage.digests import digest

CONTEXT = "5-captions-4-images"
METRICS = {"clip-similarity": True, "lpips": False}
UNIT = 16
WORDS = ["we", "saw", "a", "large", "yellow", "triangle", "at", "the", "left", "then", "it", "moved", "to", "a", "hill"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=10_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--models", type=int, default=2)
    parser.add_argument("--side", type=int, default=48)
    parser.add_argument("--keep", type=Path, help="Make the run here, unless it is there, and keep it.")
    parser.add_argument("--step", choices=["read", "tables", "page"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(measure(options.step, options.keep)))
        return
    out = options.keep or Path(tempfile.mkdtemp(prefix="gill-bench-report-"))
    try:
        if not (out / "results.json").is_file():
            make_run(out, options.examples, options.seeds, options.models, options.side)
        shutil.rmtree(out / "page", ignore_errors=True)
        steps = {"warm": "read", "read": "read", "tables": "tables", "page": "page", "page again": "page"}
        measured = {name: alone(step, out) for name, step in steps.items()}
    finally:
        if not options.keep:
            shutil.rmtree(out)
    bare = measured["read"]["seconds"]
    for name, each in measured.items():
        if name != "warm":
            seconds, busy = each["seconds"], each["processor_s"]
            print(
                f"{name}: {seconds:.1f} s ({seconds / bare:.1f} x), processor {busy:.1f} s, peak {each['peak_mb']} MB"
            )
    print(json.dumps({"samples": options.examples * options.seeds * options.models, **measured}))


def alone(step: str, run: Path) -> dict[str, float]:
    """Measure a step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--keep", str(run)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def measure(step: str, run: Path) -> dict[str, float]:
    start = time.perf_counter()
    if step == "read":
        read_all(run)
    else:
        from gill_bench.cli import main as gill_bench

        words = ["report", str(run)] if step == "tables" else ["report", str(run), "--html"]
        if gill_bench(words):
            raise SystemExit(1)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": round(seconds, 2), "processor_s": round(time.process_time(), 2), "peak_mb": round(peak)}


def read_all(run: Path) -> None:
    """Read every file of the run once, the least that a page has to do."""
    stored = RunReader.open(run)
    for cell in stored.spec.cells:
        for unit in run.joinpath(*cell.cell_key.path.parts).iterdir():
            with os.scandir(unit) as entries:
                for entry in entries:
                    Path(entry.path).read_bytes()


def make_run(out: Path, examples: int, seeds: int, models: int, side: int) -> None:
    """Write a run as `gill-bench run` would have, without waiting for the disk."""
    draw = np.random.default_rng(0)
    out.mkdir(parents=True, exist_ok=True)
    names = [f"model-{letter}" for letter in "abcdefgh"[:models]]
    cells, rows = [], []
    for model in names:
        recipe = {"adapter": model, "settings": {"num_inference_steps": 50}, "weights": {}}
        cells.append(
            {
                "task": "vist",
                "task_as": "vist@0",
                "model": model,
                "context": CONTEXT,
                "seeds": list(range(seeds)),
                "row_seeds": list(range(seeds)),
                "recipe": recipe,
                "notes": [],
            }
        )
        values = {metric: draw.normal(0.6, 0.1, (examples, seeds)) for metric in METRICS}
        for first in range(0, examples, UNIT):
            folder = out / "units" / "vist" / model / CONTEXT / digest([model, first])[:16]
            folder.mkdir(parents=True)
            numbers = range(first, min(examples, first + UNIT))
            write_unit(folder, model, recipe, numbers, seeds, values, pictures(draw, side))
        for metric, higher in METRICS.items():
            for seed in range(seeds):
                rows.append(row(model, seed, metric, float(values[metric][:, seed].mean()), higher, examples))
    card = Cards().task("vist").model_dump(mode="json", by_alias=True)
    task = {"card": card, "data": "mini", "limit": 0, "metric_weights": "mini"}
    (out / "spec.json").write_text(json.dumps({"schema_version": 1, "tasks": {"vist@0": task}, "cells": cells}))
    write_results(out, Results(tuple(sorted(rows))))


def pictures(draw: np.random.Generator, side: int) -> Iterator[bytes]:
    """Return pictures of about 2.5 kB at 48 pixels, as small diffusion models generate them."""
    while True:
        base = draw.integers(0, 255, (6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(base).resize((side, side), Image.Resampling.BICUBIC)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=1)
        yield buffer.getvalue()


def write_unit(
    folder: Path,
    model: str,
    recipe: Mapping[str, object],
    examples: range,
    seeds: int,
    values: dict[str, np.ndarray],
    image_bytes: Iterator[bytes],
) -> None:
    lines, files = [], {}
    for index, example in enumerate(examples):
        words = [" ".join(np.roll(WORDS, example + part)) for part in range(5)]
        for seed in range(seeds):
            image = f"{index:03d}-{example}-{seed}.png"
            picture = next(image_bytes)
            (folder / image).write_bytes(picture)
            files[image] = hashlib.sha256(picture).hexdigest()
            record = {"example": str(example), "seed": seed, "image": image, "cluster": str(example // 2)}
            lines.append(json.dumps(record | {"prompt": words, "target": None, "flagged": False, "truncated": False}))
    samples = ("\n".join(lines) + "\n").encode()
    (folder / "samples.jsonl").write_bytes(samples)
    files["samples.jsonl"] = hashlib.sha256(samples).hexdigest()
    for metric in METRICS:
        each = [
            [str(example), seed, float(values[metric][example, seed])] for example in examples for seed in range(seeds)
        ]
        score = {"metric": metric, "signature": f"{metric}|made-up", "values": each}
        (folder / f"score-{metric}-0.json").write_text(json.dumps(score))
    unit = {
        "task": "vist",
        "model": model,
        "context": CONTEXT,
        "recipe": digest(recipe),
        "examples": [[str(example), ""] for example in examples],
        "seeds": list(range(seeds)),
        "files": files,
    }
    (folder / "unit.json").write_text(json.dumps(unit, indent=1))


def row(model: str, seed: int, metric: str, value: float, higher: bool, examples: int) -> Row:
    return Row(
        task="vist",
        model=model,
        context=CONTEXT,
        seed=seed,
        metric=metric,
        value=value,
        higher_is_better=higher,
        n_available=examples,
        n_expected=examples,
        n_scored=examples,
        n_missing=0,
        n_failed=0,
        n_truncated=0,
        n_flagged=0,
        signature=f"gill-bench:1|{metric}|made-up",
        model_signature=f"adapter:{model}",
    )


if __name__ == "__main__":
    main()
