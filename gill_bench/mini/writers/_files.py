"""Helpers of the writers: pictures, JSON, and random numbers from the seed."""

from __future__ import annotations

import json
import random
from pathlib import Path

from gill_bench.mini.scene import Scene


def rng_of(name: str, seed: int) -> random.Random:
    """The generator of random numbers for one file, so that a file does not depend on which other files are written."""
    return random.Random(f"gill-bench mini {name} {seed}")  # noqa: S311 (a data set, not a secret)


def write_picture(scene: Scene, file: Path) -> None:
    """Write a scene's picture: as JPEG of the highest quality if the file's suffix is `.jpg`, else as PNG."""
    options = {"quality": 100, "subsampling": 0} if file.suffix == ".jpg" else {}
    scene.render().save(file, **options)  # type: ignore[arg-type]


def write_json(file: Path, content: object) -> None:
    """Write JSON on one line, as the official files are."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content), encoding="utf-8")


def info(seed: int, year: int) -> dict[str, object]:
    """The `info` object of COCO's and VQA's files."""
    return {"description": "gill-bench mini world, synthetic", "version": "1.0", "year": year, "seed": seed}
