"""Writers of the lists of prompts of other benchmarks, in the forms in which these publish them."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image


def _lines(file: Path, records: Sequence[dict[str, Any]]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(record) + "\n" for record in records))


def write_geneval(folder: Path) -> list[dict[str, Any]]:
    """Write two prompts of GenEval, and return their records."""
    records: list[dict[str, Any]] = [
        {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a photo of a bench"},
        {
            "tag": "counting",
            "include": [{"class": "clock", "count": 2}],
            "exclude": [{"class": "clock", "count": 3}],
            "prompt": "a photo of two clocks",
        },
    ]
    _lines(folder / "prompts" / "evaluation_metadata.jsonl", records)
    return records


def write_geneval2(folder: Path) -> list[str]:
    """Write two prompts of GenEval 2, and return them."""
    prompts = {"four white bicycles in front of three plastic cows": 7, "a green box": 3}
    records = [
        {"prompt": prompt, "atom_count": atoms, "vqa_list": [["Is it there?", "Yes"]], "skills": ["object"]}
        for prompt, atoms in prompts.items()
    ]
    _lines(folder / "geneval2_data.jsonl", records)
    return list(prompts)


def write_dpg(folder: Path) -> None:
    """Write two prompts of DPG-Bench."""
    prompts = folder / "dpg_bench" / "prompts"
    prompts.mkdir(parents=True)
    (prompts / "256.txt").write_text("a ladder")
    (prompts / "partiprompts1.txt").write_text("x\n")


def write_oneig(folder: Path) -> None:
    """Write three prompts of OneIG-Bench, the last with a comma, quotation marks and a line end."""
    with (folder / "OneIG-Bench.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["category", "id", "prompt_en", "type", "prompt_length", "class"])
        writer.writerow(["Anime_Stylization", "000", "a girl", "T,P", "short", "None"])
        writer.writerow(["Portrait", "000", "a man", "NP", "long", ""])
        writer.writerow(["Text_Rendering", "001", 'a sign, "stop",\nin red', "NP", "long", ""])


def write_opening(folder: Path) -> list[dict[str, Any]]:
    """Write two instances of OpenING, the first with a picture, and return their records."""
    steps = [
        {"text": "Go on. <BEGIN> One evening. <image>", "image": "./images/Story/96-i-1.jpg"},
        {"text": "Then?", "image": None},
    ]
    output = [{"text": "He ran. <image>", "image": "./images/Story/96-o-1.jpg"}]
    common = {"meta_task_id": "3", "meta_task_name": "Completion", "subtask_id": "1", "subtask_name": "Story"}
    records: list[dict[str, Any]] = [
        {"total_uid": "0301096", **common, "data_id": "96", "conversations": [{"input": steps}, {"output": output}]},
        {
            "total_uid": "1502011",
            **common,
            "data_id": "11",
            "conversations": [{"input": [{"text": "<BEGIN> Draw a workflow.", "image": None}]}, {"output": output}],
        },
    ]
    _lines(folder / "test_data.jsonl", records)
    picture = folder / "images" / "Story" / "96-i-1.jpg"
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8), "navy").save(picture)
    return records
