"""COCO captions and instances in the layouts of 2014 and 2017, and VQAv2 on the same pictures (protocol 3.8-3.10).

The pictures of `val` show scenes of the world's test split, because tasks are evaluated on COCO's val.
"""

from __future__ import annotations

import random
from pathlib import Path

from gill_bench.mini.dialogs import dialog
from gill_bench.mini.grammar import captions, double_scene, sequence
from gill_bench.mini.scene import POSITIONS, SHAPES, SIZES, Scene
from gill_bench.mini.writers._files import info, rng_of, write_json, write_picture

COUNTS = {"train": 400, "val": 200}
CAPTIONS, QUESTIONS, ANSWERS = 5, 3, 10
_WORLD = {"train": "train", "val": "test"}
_FIRST_ID = {"train": 1000, "val": 5000}
_LICENSES = [{"url": "https://www.apache.org/licenses/LICENSE-2.0", "id": 1, "name": "Apache-2.0"}]
_DISSENT = 0.1  # the share of VQA's answers that differ from the true answer


def coco_scenes(seed: int, split: str) -> dict[int, Scene]:
    """Scenes by picture id; every second scene has two things."""
    rng = rng_of(f"coco {split}", seed)
    scenes: dict[int, Scene] = {}
    for number in range(COUNTS[split]):
        pair = number % 2 == 1
        scene = double_scene(rng, _WORLD[split]) if pair else rng.choice(sequence(rng, _WORLD[split]))
        scenes[_FIRST_ID[split] + 7 * number] = scene
    return scenes


def write_coco(folder: Path, seed: int, splits: tuple[str, ...]) -> None:
    """Write captions, instances and pictures of "train" or "val", for both years: `annotations` and `<split><year>`."""
    for split in splits:
        scenes = coco_scenes(seed, split)
        annotations = _captions(scenes, rng_of(f"coco captions {split}", seed))
        for year in (2014, 2017):
            prefix = f"COCO_{split}2014_" if year == 2014 else ""
            pictures = folder / f"{split}{year}"
            pictures.mkdir(parents=True)
            images = []
            for number, scene in scenes.items():
                name = f"{prefix}{number:012d}.jpg"
                write_picture(scene, pictures / name)
                images.append({"license": 1, "file_name": name, "height": 32, "width": 32, "id": number})
            common = {"info": info(seed, year), "licenses": _LICENSES, "images": images}
            write_json(folder / "annotations" / f"captions_{split}{year}.json", {**common, "annotations": annotations})
            categories = [
                {"supercategory": "shape", "id": number, "name": name} for number, name in enumerate(SHAPES, start=1)
            ]
            instances = {**common, "annotations": _instances(scenes), "categories": categories}
            write_json(folder / "annotations" / f"instances_{split}{year}.json", instances)


def write_vqa(folder: Path, seed: int, splits: tuple[str, ...]) -> None:
    """Write VQAv2 questions, annotations and pictures of some splits: two files of each and `<split>2014`."""
    for split in splits:
        rng = rng_of(f"vqa {split}", seed)
        question_records: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        pictures = folder / f"{split}2014"
        pictures.mkdir(parents=True)
        for image, scene in coco_scenes(seed, split).items():
            write_picture(scene, pictures / f"COCO_{split}2014_{image:012d}.jpg")
            for index, (question, answer) in enumerate(dialog(scene, rng, QUESTIONS)):
                number = 1000 * image + index
                question_records.append({"image_id": image, "question": f"{question}?", "question_id": number})
                annotations.append(_annotation(rng, image, number, question, answer))
        common = {
            "info": info(seed, 2017),
            "license": {"url": _LICENSES[0]["url"], "name": _LICENSES[0]["name"]},
            "data_subtype": f"{split}2014",
            "data_type": "mscoco",
        }
        file = folder / f"v2_OpenEnded_mscoco_{split}2014_questions.json"
        write_json(file, {**common, "task_type": "Open-Ended", "questions": question_records})
        write_json(folder / f"v2_mscoco_{split}2014_annotations.json", {**common, "annotations": annotations})


def _captions(scenes: dict[int, Scene], rng: random.Random) -> list[dict[str, object]]:
    pairs = [(image, text) for image, scene in scenes.items() for text in captions(scene, rng, CAPTIONS)]
    rng.shuffle(pairs)  # as in the official files, a picture's captions do not follow one another
    return [{"image_id": image, "id": number, "caption": text} for number, (image, text) in enumerate(pairs, start=1)]


def _instances(scenes: dict[int, Scene]) -> list[dict[str, object]]:
    instances: list[dict[str, object]] = []
    for image, scene in scenes.items():
        for thing in scene.things:
            x, y = POSITIONS[thing.position]
            r = SIZES[thing.size]
            left, top, right, bottom = x - r, y - r, x + r, y + r
            instances.append(
                {
                    "segmentation": [[left, top, right, top, right, bottom, left, bottom]],
                    "area": float(4 * r * r),
                    "iscrowd": 0,
                    "image_id": image,
                    "bbox": [float(left), float(top), float(2 * r), float(2 * r)],
                    "category_id": SHAPES.index(thing.shape) + 1,
                    "id": len(instances) + 1,
                }
            )
    return instances


def _annotation(rng: random.Random, image: int, number: int, question: str, answer: str) -> dict[str, object]:
    kind = "yes/no" if answer in ("yes", "no") else "number" if answer in ("one", "two") else "other"
    wrong = {"yes": "no", "no": "yes", "one": "two", "two": "one"}.get(answer, "thing")
    answers = []
    for answer_id in range(1, ANSWERS + 1):
        dissents = rng.random() < _DISSENT
        answers.append(
            {
                "answer": wrong if dissents else answer,
                "answer_confidence": "maybe" if dissents else "yes",
                "answer_id": answer_id,
            }
        )
    return {
        "question_type": " ".join(question.split()[:2]),
        "multiple_choice_answer": answer,
        "answers": answers,
        "image_id": image,
        "answer_type": kind,
        "question_id": number,
    }
