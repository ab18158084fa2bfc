"""The mini world's data, written in the official formats, everything from a seed.

The stories carry information as real ones do: the first caption names the protagonist, the last one leaves it open
("it moves to the top"), and only the pictures show the background.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

from gill_bench.mini.scene import BACKGROUNDS, COLOURS, POSITIONS, SHAPES, SIZES, Scene, Thing

SEED = 0
SEQUENCES = {"val": 12, "test": 16}
STORIES_PER_SEQUENCE = 2
_WAYS = (
    ("a {name} is at the {position} .", "it moves to the {position} ."),
    ("we saw a {name} at the {position} .", "then it went to the {position} ."),
)


def write_world(folder: Path, seed: int = SEED) -> None:
    """Write the whole world into a folder that does not exist yet; it appears only when complete."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    write_vist(temporary / "vist", seed)
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
        shutil.rmtree(temporary)  # another process was first, and wrote the same


def write_vist(folder: Path, seed: int = SEED) -> None:
    """Write SIS files and pictures. Splits never share a sequence's scenes; stories share photo sequences."""
    rng = random.Random(f"gill-bench mini vist {seed}")  # noqa: S311 (a data set, not a secret)
    used: set[tuple[Scene, ...]] = set()
    number = 0
    (folder / "sis").mkdir(parents=True)
    for split, count in SEQUENCES.items():
        pictures = folder / "images" / split
        pictures.mkdir(parents=True)
        images: list[dict[str, str]] = []
        annotations: list[list[dict[str, object]]] = []
        for album in range(count):
            scenes = _sequence(rng)
            while scenes in used:
                scenes = _sequence(rng)
            used.add(scenes)
            photos = [str(100000 + 5 * (number // STORIES_PER_SEQUENCE) + place) for place in range(len(scenes))]
            for photo, scene in zip(photos, scenes, strict=True):
                scene.render().save(pictures / f"{photo}.png")
                images.append({"id": photo, "album_id": f"{split}-{album}"})
            for way in range(STORIES_PER_SEQUENCE):
                annotations += _story(str(1000 + number), f"{split}-{album}", photos, scenes, way)
                number += 1
        content = {
            "info": {"description": "gill-bench mini world, synthetic", "seed": seed},
            "images": images,
            "albums": [{"id": f"{split}-{album}"} for album in range(count)],
            "annotations": annotations,
        }
        (folder / "sis" / f"{split}.story-in-sequence.json").write_text(json.dumps(content), encoding="utf-8")


def _sequence(rng: random.Random) -> tuple[Scene, ...]:
    background = rng.choice(list(BACKGROUNDS))
    shape, colour, size = rng.choice(SHAPES), rng.choice(list(COLOURS)), rng.choice(list(SIZES))
    positions = rng.sample(list(POSITIONS), 5)
    return tuple(Scene(background, Thing(shape, colour, size, position)) for position in positions)


def _story(
    story: str, album: str, photos: list[str], scenes: tuple[Scene, ...], way: int
) -> list[list[dict[str, object]]]:
    first, later = _WAYS[way % len(_WAYS)]
    records: list[list[dict[str, object]]] = []
    for place, (photo, scene) in enumerate(zip(photos, scenes, strict=True)):
        text = (later if place else first).format(name=scene.thing.name, position=scene.thing.position)
        records.append(
            [
                {
                    "original_text": text,
                    "album_id": album,
                    "photo_flickr_id": photo,
                    "setting": "first-2-pick-and-tell",
                    "worker_id": "GRAMMAR",
                    "story_id": story,
                    "tier": "story-in-sequence",
                    "worker_arranged_photo_order": place,
                    "text": text,
                    "storylet_id": f"{story}{place}",
                }
            ]
        )
    return records
