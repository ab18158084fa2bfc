"""Shared by the benchmarks of picture metrics: folders of PNGs, ways to score pairs, interleaved timing."""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gill_bench.metrics.picture import PictureMetric
from gill_bench.storage.images import load_image
from gill_bench.storage.read_ahead import read_ahead, usable_processors

Way = Callable[[], list[float]]
Picture = Path | Image.Image
Pair = Callable[[Picture, Picture], float]


def arguments(description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=40, help="pictures a side; a multiple of five")
    parser.add_argument("--sizes", default="256,512", help="pixels of the pictures' sides")
    parser.add_argument("--batches", default="1,5,32", help="pairs a call")
    parser.add_argument("--rounds", type=int, default=5, help="of which each way's fastest counts")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    return parser.parse_args()


def write_pictures(folder: Path, count: int, size: int, seed: int) -> list[Path]:
    """Write PNGs of coarse shapes with noise, which have about the size and decoding time of photos."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    files = []
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), dtype=np.float32)
        noisy = (smooth + rng.normal(0, 6, smooth.shape)).clip(0, 255).astype(np.uint8)
        files.append(folder / f"{index}.png")
        Image.fromarray(noisy).save(files[-1])
    return files


def opened(picture: Picture) -> Image.Image:
    """Return a picture as it is, or open the picture of a path."""
    return load_image(picture) if isinstance(picture, Path) else picture


def in_turn(scorer: PictureMetric, generated: Sequence[Picture], reference: Sequence[Picture], batch: int) -> Way:
    """Score pairs in batches: read, prepare and embed them one after the other."""

    def way() -> list[float]:
        values: list[float] = []
        for start in range(0, len(generated), batch):
            sides = [
                scorer.features([opened(picture) for picture in side[start : start + batch]])
                for side in (generated, reference)
            ]
            values += scorer.compare(*sides).tolist()
        return values

    return way


def ahead(scorer: PictureMetric, generated: Sequence[Picture], reference: Sequence[Picture], batch: int) -> Way:
    """Score pairs in batches: read and prepare them in threads while the network works."""
    starts = range(0, len(generated), batch)
    order = [picture for start in starts for side in (generated, reference) for picture in side[start : start + batch]]

    def way() -> list[float]:
        values: list[float] = []
        prepared = read_ahead(lambda picture: scorer.prepare(opened(picture)), order)
        for start in starts:
            count = min(batch, len(generated) - start)
            sides = [scorer.embed(list(islice(prepared, count))) for _ in range(2)]
            values += scorer.compare(*sides).tolist()
        return values

    return way


def five_seeds(scorer: PictureMetric, generated: Sequence[Picture], reference: Sequence[Picture], threads: bool) -> Way:
    """Score as a run does: an example's five pictures in one call, its reference once in another call."""
    groups = [[*generated[5 * index : 5 * index + 5], target] for index, target in enumerate(reference)]

    def way() -> list[float]:
        def prepare(picture: Picture) -> torch.Tensor:
            return scorer.prepare(opened(picture))

        order = chain.from_iterable(groups)
        prepared: Iterator[torch.Tensor] = read_ahead(prepare, order) if threads else map(prepare, order)
        values: list[float] = []
        for _ in groups:
            pictures = scorer.embed(list(islice(prepared, 5)))
            values += scorer.compare(pictures, scorer.embed([next(prepared)])).tolist()
        return values

    return way


def measure(ways: Mapping[str, Way], rounds: int, exact: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return the seconds of each way's fastest round, and its speed relative to the first way.

    The ways take turns, so that other work on the machine slows all of them alike. All values are compared with
    those of the first way; the ways named in `exact` must be within 1e-6.
    """
    wall = dict.fromkeys(ways, float("inf"))
    cpu = dict.fromkeys(ways, float("inf"))
    values = {name: way() for name, way in ways.items()}  # which also warms up
    for _ in range(rounds):
        for name, way in ways.items():
            start, start_cpu = time.perf_counter(), time.process_time()
            way()
            wall[name] = min(wall[name], time.perf_counter() - start)
            cpu[name] = min(cpu[name], time.process_time() - start_cpu)
    first = next(iter(ways))
    table = {}
    for name in ways:
        difference = float(np.abs(np.subtract(values[name], values[first])).max())
        if name in exact and difference > 1e-6:
            raise SystemExit(f"{name}: a value is {difference} away from that of {first}")
        table[name] = {
            "pairs_per_s": round(len(values[name]) / wall[name], 1),
            "times_as_fast": round(wall[first] / wall[name], 2),
            "times_as_fast_cpu": round(cpu[first] / cpu[name], 2),
            "largest_difference": float(f"{difference:.1e}"),
        }
    return table


def run(options: argparse.Namespace, folder: Path, scorer: PictureMetric, published: Mapping[str, Pair]) -> None:
    """Measure everything and print it as one JSON object.

    Args:
        options: Parsed options of `arguments`.
        folder: Folder into which the pictures are written.
        scorer: The metric to measure.
        published: Ways to score one pair; the first has exactly the metric's values.
    """
    torch.set_num_threads(options.threads)
    batches = [int(batch) for batch in options.batches.split(",")]
    result: dict[str, object] = {
        "machine": f"{platform.machine()}, {usable_processors()} processors, torch threads {options.threads}",
        "torch": torch.__version__,
    }

    def loop(pair: Pair, generated: Sequence[Picture], reference: Sequence[Picture]) -> Way:
        return lambda: [pair(picture, target) for picture, target in zip(generated, reference, strict=True)]

    for size in (int(size) for size in options.sizes.split(",")):
        files = [write_pictures(folder / str(size) / side, options.pairs, size, seed) for seed, side in enumerate("gr")]
        in_memory = [[load_image(file) for file in side] for side in files]
        for where, (generated, reference) in (("png folders", files), ("in memory", in_memory)):
            ways = {name: loop(pair, generated, reference) for name, pair in published.items()}
            exact = []
            for batch in batches:
                ways[f"batches of {batch}"] = in_turn(scorer, generated, reference, batch)
                ways[f"batches of {batch}, threads"] = ahead(scorer, generated, reference, batch)
                exact += [f"batches of {batch}", f"batches of {batch}, threads"]
            result[f"{size} px, {where}"] = measure(ways, options.rounds, exact)
            few = reference[: len(generated) // 5]
            repeated = [target for target in few for _ in range(5)]
            ways = {name: loop(pair, generated, repeated) for name, pair in published.items()}
            ways["references once"] = five_seeds(scorer, generated, few, threads=False)
            ways["references once, threads"] = five_seeds(scorer, generated, few, threads=True)
            exact = ["references once", "references once, threads"]
            result[f"{size} px, {where}, five seeds"] = measure(ways, options.rounds, exact)
    print(json.dumps(result, indent=1))
