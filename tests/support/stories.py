"""A small VIST of the tests' own, in the official format: 16 photo sequences, two stories each, ids from 1024 on."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

from PIL import Image

SEQUENCES, STORIES_EACH, SENTENCES = 16, 2, 5
_PLACES = ("top", "left", "middle", "right", "bottom")


def small_vist() -> Path:
    """The folder of the small VIST, which is written once per session for all workers; tests must not change it."""
    folder = Path(os.environ["GILL_BENCH_CACHE"]) / "tests-vist"
    if not folder.is_dir():
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
        write_vist(temporary)
        try:
            temporary.rename(folder)
        except OSError:
            shutil.rmtree(temporary)  # another worker was first, and wrote the same
    return folder


def write_vist(folder: Path) -> None:
    """Write pictures and annotations of the split "test", and the same annotations as "val"."""
    pictures = folder / "images" / "test"
    pictures.mkdir(parents=True)
    (folder / "sis").mkdir()
    images, annotations = [], []
    for sequence in range(SEQUENCES):
        photos = [str(100000 + SENTENCES * sequence + position) for position in range(SENTENCES)]
        for position, photo in enumerate(photos):
            picture = Image.new("RGB", (32, 32), (15 * sequence, 50 * position, 128))
            picture.paste((255 - 15 * sequence, 40, 50 * position), (4 * position, 8, 4 * position + 8, 24))
            picture.save(pictures / f"{photo}.png")
            images.append({"id": photo, "album_id": str(sequence)})
        for story in range(STORIES_EACH):
            name = str(1024 + STORIES_EACH * sequence + story)
            texts = [
                f"we saw thing {sequence} here .",
                *(f"{('it', 'then it')[story]} went to the {p} ." for p in _PLACES),
            ]
            annotations += [
                [
                    {
                        "original_text": texts[position],
                        "album_id": str(sequence),
                        "photo_flickr_id": photo,
                        "setting": "first-2-pick-and-tell",
                        "worker_id": "TEST",
                        "story_id": name,
                        "tier": "story-in-sequence",
                        "worker_arranged_photo_order": position,
                        "text": texts[position],
                        "storylet_id": f"{name}{position}",
                    }
                ]
                for position, photo in enumerate(photos)
            ]
    content = json.dumps({"images": images, "albums": [], "annotations": annotations})
    for split in ("test", "val"):
        (folder / "sis" / f"{split}.story-in-sequence.json").write_text(content)
