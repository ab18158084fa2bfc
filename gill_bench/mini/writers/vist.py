"""VIST: `sis/<split>.story-in-sequence.json` and `images/<split>/<photo>.png` (protocol 3.1).

The first caption of a story names a thing, later captions say "it" ("it moves to the top"), and only the pictures show
the background. As in the real data, stories share photo sequences.
"""

from __future__ import annotations

import random
from pathlib import Path

from gill_bench.mini.grammar import describe, sequence, story
from gill_bench.mini.scene import Scene
from gill_bench.mini.writers._files import info, rng_of, write_json, write_picture

SEQUENCES = {"train": 1500, "val": 48, "test": 24, "test-large": 96, "test-described": 48}
"""The number of photo sequences in each file. `test-large` and `test-described` have the kinds of scenes of `test`,
but share no sequence with it. In `test-described` every caption is a full description, so that its context `1-caption`
measures what a model makes of one full caption."""
FIRST_STORY = {"train": 100000, "val": 2000, "test": 1024, "test-large": 3000, "test-described": 5000}
STORIES = {"train": 1, "val": 2, "test": 2, "test-large": 2, "test-described": 1}
"""The number of stories of each photo sequence."""


def write_vist(folder: Path, seed: int, splits: tuple[str, ...]) -> None:
    """Write stories and pictures of some splits of `SEQUENCES`: `sis` and `images`."""
    used: set[tuple[Scene, ...]] = set()
    for split in sorted(splits):
        rng = rng_of(f"vist {split}", seed)
        pictures = folder / "images" / split
        pictures.mkdir(parents=True)
        images: list[dict[str, str]] = []
        annotations: list[list[dict[str, object]]] = []
        number = FIRST_STORY[split]
        for index in range(SEQUENCES[split]):
            scenes = _new_sequence(rng, split.partition("-")[0], used)
            album = f"{split}-{index}"
            photos = [str(100 * FIRST_STORY[split] + 5 * index + step) for step in range(len(scenes))]
            for photo, scene in zip(photos, scenes, strict=True):
                write_picture(scene, pictures / f"{photo}.png")
                images.append({"id": photo, "album_id": album})
            for _ in range(STORIES[split]):
                texts = [describe(scene) for scene in scenes] if split.endswith("-described") else story(scenes, rng)
                annotations += _records(str(number), album, photos, texts)
                number += 1
        content = {
            "info": info(seed, 2016),
            "images": images,
            "albums": [{"id": f"{split}-{index}"} for index in range(SEQUENCES[split])],
            "annotations": annotations,
        }
        write_json(folder / "sis" / f"{split}.story-in-sequence.json", content)


def _new_sequence(rng: random.Random, split: str, used: set[tuple[Scene, ...]]) -> tuple[Scene, ...]:
    scenes = sequence(rng, split)
    while scenes in used:
        scenes = sequence(rng, split)
    used.add(scenes)
    return scenes


def _records(number: str, album: str, photos: list[str], texts: list[str]) -> list[list[dict[str, object]]]:
    return [
        [
            {
                "original_text": text,
                "album_id": album,
                "photo_flickr_id": photo,
                "setting": "first-2-pick-and-tell",
                "worker_id": "GRAMMAR",
                "story_id": number,
                "tier": "story-in-sequence",
                "worker_arranged_photo_order": order,
                "text": text,
                "storylet_id": f"{number}{order}",
            }
        ]
        for order, (photo, text) in enumerate(zip(photos, texts, strict=True))
    ]
