"""The way of the authors' scripts against a run: how many times as fast the same pictures are made.

    python benchmarks/authors_way.py [--stories 8] [--seeds 5]

The authors' scripts go through stories, contexts and seeds one at a time: each picture of each prompt is read, the
prompt is encoded, one picture is generated and saved, and all these steps are repeated for the next seed. A run encodes
a prompt once for all seeds, and generates a unit in one call. Both use GILL with the embedded weights, one thread and
one process, and make the same pictures up to rounding, which is checked. Aim: 3.5 times.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gill_bench.evaluate import execute
from gill_bench.generation.prompts import build_prompts
from gill_bench.planning.cells import CellPlan
from gill_bench.planning.plan import make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.rundir.load_units import read_samples

CONTEXTS = ("1-caption", "5-captions", "5-captions-4-images")


def authors_way(plans: list[CellPlan], model: Any, folder: Path) -> None:
    """Make and save one picture at a time."""
    for plan in plans:
        for example, position, _ in plan.cell.usable.values():
            for seed in plan.cell.seeds:
                [prompt] = build_prompts(plan.cell, [(example, position)])
                noise = plan.cell.task.noise(seed, example, position)
                [[picture]] = model.generate_images([prompt.prompt], [[noise]])
                picture.image.save(folder / f"{plan.cell.context.name}-{example.id}-{seed}.png")


def largest_difference(plans: list[CellPlan], run: Path, folder: Path) -> int:
    """The largest difference of a pixel between the two ways, in grey levels."""
    largest = 0
    for plan in plans:
        for unit in plan.cell.folder(run).glob("*/unit.json"):
            for sample in read_samples(unit.parent):
                assert sample.picture is not None
                other = folder / f"{plan.cell.context.name}-{sample.example}-{sample.seed}.png"
                pixels = [np.asarray(Image.open(file)).astype(int) for file in (sample.picture, other)]
                largest = max(largest, int(np.abs(pixels[0] - pixels[1]).max()))
    return largest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="gill-bench-authors-way-"))
    try:
        request = RunRequest(
            tasks=("vist",),
            out=folder / "run",
            models=("gill",),
            contexts=CONTEXTS,
            seeds=options.seeds,
            limit=options.stories,
            device="cpu",
            threads=1,
            workers=1,
        )
        plan = make_plan(request)
        [resolved] = plan.models.values()
        model: Any = resolved.load("cpu")
        model.generate_images(*first_call(plan.cells))  # libraries prepare themselves in the first call
        (folder / "authors").mkdir()
        start = time.perf_counter()
        authors_way(list(plan.cells), model, folder / "authors")
        one_by_one = time.perf_counter() - start
        spent = generation_seconds(plan)
        difference = largest_difference(list(plan.cells), folder / "run", folder / "authors")
    finally:
        shutil.rmtree(folder)
    pictures = len(CONTEXTS) * options.stories * options.seeds
    print(
        json.dumps(
            {
                "pictures": pictures,
                "authors_way_ms_a_picture": round(1000 * one_by_one / pictures, 1),
                "run_ms_a_picture": round(1000 * spent / pictures, 1),
                "ratio": round(one_by_one / spent, 2),
                "largest_difference_in_grey_levels": difference,
            }
        )
    )


def first_call(plans: Any) -> tuple[list[Any], list[list[Any]]]:
    """The prompt and the noise of a plan's first sample."""
    cell = plans[0].cell
    example, position, _ = next(iter(cell.usable.values()))
    [prompt] = build_prompts(cell, [(example, position)])
    return [prompt.prompt], [[cell.task.noise(0, example, position)]]


def generation_seconds(plan: Any) -> float:
    """The time of a run from its first job to the last committed unit, loading and scoring left out."""
    from gill_bench.engines import worker

    load = worker.Worker._load
    loading = 0.0

    def timed(self: Any, loadable: Any) -> None:
        nonlocal loading
        start = time.perf_counter()
        load(self, loadable)
        loading += time.perf_counter() - start

    setattr(worker.Worker, "_load", timed)  # noqa: B010
    from gill_bench import evaluate
    from gill_bench.rundir.rows import Results

    setattr(evaluate, "finish", lambda *rest, **options: Results(()))  # noqa: B010
    start = time.perf_counter()
    execute(plan)
    return time.perf_counter() - start - loading


if __name__ == "__main__":
    main()
