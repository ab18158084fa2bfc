"""Writers of small data sets, one for each format; pictures are empty files, since readers only look for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

VISDIAL, DENSE = "visdial_1.0_val.json", "visdial_1.0_val_dense_annotations.json"
QUESTIONS, ANNOTATIONS = "v2_OpenEnded_mscoco_val2014_questions.json", "v2_mscoco_val2014_annotations.json"
CAPTIONS = "annotations/captions_val2014.json"
PAIRS, URLS = "cc3m_val.tsv", "Validation_GCC-1.1.0-Validation.tsv"
VOTES = "PartiPromptsAllDecisions_Alignment.tsv"


def edit(file: Path, change: Callable[[Any], object]) -> None:
    """Change the content of a JSON file by a function that changes it in place."""
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def linked_folder(real: Path, folder: Path, pictures: Iterable[str]) -> Path:
    """Make a folder with links to all files of a real folder, and with empty files under the names of pictures."""
    folder.mkdir(exist_ok=True)
    for path in real.iterdir():
        (folder / path.name).symlink_to(path)
    touch(folder, pictures)
    return folder


def touch(folder: Path, names: Iterable[str]) -> None:
    """Write empty files of these names, and the folders that they are in."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def write_coco(folder: Path) -> Path:
    """Write COCO captions: three images, one without a file, with two captions each, which are not neighbours."""
    ids = (42, 7, 300)
    images = [{"id": image, "file_name": f"COCO_val2014_{image:012d}.jpg", "height": 1, "width": 1} for image in ids]
    captions = [
        {"image_id": image, "id": 100 * turn + index, "caption": f"caption {turn} of {image} . \n"}
        for turn in (2, 1)
        for index, image in enumerate(ids)
    ]
    (folder / "annotations").mkdir(parents=True)
    (folder / CAPTIONS).write_text(json.dumps({"info": {}, "images": images, "annotations": captions}))
    touch(folder / "val2014", [images[0]["file_name"], images[1]["file_name"]])  # type: ignore[list-item]
    return folder


def write_vqa(folder: Path) -> Path:
    """Write VQAv2: three questions about two pictures, and the annotations in another order than the questions."""
    common = {"data_type": "mscoco", "data_subtype": "val2014"}
    triples = [(70, 7, "is it day?"), (71, 7, "how many {}?"), (420, 42, "where?")]
    questions = [{"question_id": n, "image_id": image, "question": text} for n, image, text in triples]
    annotations = [
        {
            "question_id": n,
            "image_id": image,
            "question_type": text.split()[0],
            "answer_type": "other",
            "answers": [
                {"answer": f"{text} {number}", "answer_confidence": "yes", "answer_id": number}
                for number in range(1, 11)
            ],
        }
        for n, image, text in reversed(triples)
    ]
    folder.mkdir(exist_ok=True)
    (folder / QUESTIONS).write_text(json.dumps({**common, "questions": questions}))
    (folder / ANNOTATIONS).write_text(json.dumps({**common, "annotations": annotations}))
    touch(folder, ["val2014/COCO_val2014_000000000007.jpg"])
    return folder


def write_visdial(folder: Path) -> Path:
    """Write VisDial: two dialogs, of which the first has its picture, and their dense annotations."""
    dialogs = [
        {
            "image_id": image,
            "caption": "never shown",
            "dialog": [
                {
                    "question": number,
                    "answer": 9 - number,
                    "answer_options": [*range(100)][::-1],
                    "gt_index": 90 + number,
                }
                for number in range(10)
            ],
        }
        for image in (7, 123456)
    ]
    questions, answers = [f"is it {n}" for n in range(10)], [f"no , {n}" for n in range(101)]
    data = {"questions": questions, "answers": answers, "dialogs": dialogs}
    dense = [
        {"image_id": image, "round_id": number, "gt_relevance": [0.0] * 90 + [0.2, 1.0] + [0] * 8}
        for image, number in ((7, 3), (123456, 10))
    ]
    folder.mkdir(exist_ok=True)
    (folder / VISDIAL).write_text(json.dumps({"version": "1.0", "split": "val2018", "data": data}))
    (folder / DENSE).write_text(json.dumps(dense))
    touch(folder, ["VisualDialog_val2018/VisualDialog_val2018_000000000007.jpg"])
    return folder


def write_pairs(folder: Path) -> Path:
    """Write CC3M as the authors have it: three pairs of two pictures."""
    folder.mkdir(exist_ok=True)
    (folder / PAIRS).write_text('caption\timage\na " quote\tx.jpg\nNA\tsub/y.png\nagain\tx.jpg\n')
    touch(folder / "cc3m" / "validation", ["sub/y.png"])
    return folder


def write_urls(folder: Path) -> Path:
    """Write CC3M as it is published: three captions, two of whose pictures were downloaded, one into a shard."""
    folder.mkdir(exist_ok=True)
    (folder / URLS).write_text("".join(f"caption {row} .\thttp://a.b/{row}?x=1\n" for row in range(3)))
    touch(folder / "cc3m" / "validation", ["000000000.webp", "00000/000000002.jpg", "00000/000000002.json"])
    return folder


def write_partiprompts(folder: Path) -> Path:
    """Write PartiPrompts: eight prompts, of which six have a label: gen, ret, gen, ret, gen, gen."""
    votes = ("gen,gen,gen,gen,gen", "ret,ret,ret,ret,same", "gen,ret,same,same,same", "gen,gen,gen,ret,same")
    rows = [
        f'the sign says "{number}"\tSigns\tWriting & Symbols\t\t{cast}'
        for number, cast in enumerate((*votes, "ret,ret,ret,gen,same", *votes[:1], *votes[2:3], *votes[:1]))
    ]
    folder.mkdir(exist_ok=True)
    (folder / VOTES).write_text("\n".join(["Prompt\tCategory\tChallenge\tNote\tDecisions", *rows]) + "\n")
    return folder


def write_prompts(folder: Path) -> Path:
    """Write JSON lines of one's own: three examples of two clusters, with texts, pictures, targets and answers."""
    lines: list[dict[str, Any]] = [
        {
            "id": "a/1",
            "prompt": ["one", {"picture": "pics/a.png"}, "two", {"text": "three"}],
            "target": "pics/b.png",
            "answers": ["yes", "no"],
            "right": 1,
            "cluster": "c",
            "facts": {"answer_type": "yes/no", "weight": 0.5},
        },
        {"id": 7, "prompt": [{"picture": "pics/b.png"}, "what?"], "target": "pics/c.png", "cluster": "c"},
        {"texts": ["first", "last"], "pictures": ["pics/a.png"], "target": "pics/gone.png"},
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    touch(folder, ["pics/a.png", "pics/b.png", "pics/c.png"])
    return folder
