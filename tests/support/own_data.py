"""A data set of one's own with real pictures, task cards that read it, and models that cost nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gill_bench.interfaces import GeneratedImage, Noise
from gill_bench.prompt import Prompt

COLOURS = ("red", "lime", "blue", "yellow", "cyan", "purple", "orange", "white")
TEXTS = 'max_new_tokens = 4\nstop = ""'


def write_own_data(folder: Path) -> Path:
    """Write eight examples of four clusters: a colour's name, its picture and a question; the target is the next one's.

    Ids hold a slash and a space. The list is `own/test.jsonl`, and its pictures are `own/pics/<number>.png`.
    """
    own = folder / "own"
    (own / "pics").mkdir(parents=True)
    lines = []
    for number, colour in enumerate(COLOURS):
        Image.new("RGB", (16, 16), colour).save(own / f"pics/{number}.png")
        lines.append(
            {
                "id": f"ex/{number} é",
                "prompt": [f"it is {colour}.", {"picture": f"pics/{number}.png"}, "which colour?"],
                "target": f"pics/{(number + 1) % len(COLOURS)}.png",
                "answers": [colour, COLOURS[number - 1]],
                "right": 0,
                "cluster": f"c{number // 2}",
            }
        )
    (own / "test.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def own_card(
    file: Path,
    capability: str,
    metrics: Sequence[str],
    *,
    contexts: Sequence[str] = ("full",),
    prompt: str = "",
    source: str = "own",
) -> Path:
    """Write a task card for data of one's own, with the contexts as its list `paper`; metrics have no settings.

    The folder of the data has the name of its source.
    """
    tables = "".join(f'[[metrics]]\nname = "{name}"\n' for name in metrics)
    text = f"""schema = 1
name = "{file.stem}"
title = "Own data"
paper = ""
capability = "{capability}"
unit_size = 3
seeds = 2
{"" if metrics else "metrics = []"}

[data]
format = "prompts"
folder = "{source}"
split = "test"
options = {{ source = "{source}" }}

[contexts]
paper = {json.dumps(list(contexts))}

[prompt]
picture_size = 0
{prompt}

{tables}"""
    file.write_text(text)
    return file


def colour_of(image: Image.Image) -> str:
    """The name of a picture's colour; "grey" for that of a blank picture."""
    levels = {name: Image.new("RGB", (1, 1), name).getpixel((0, 0)) for name in (*COLOURS, "grey")}
    return next(name for name, level in levels.items() if level == image.getpixel((0, 0)))


class Colours:
    """Paints, finds, names and scores colours: it reads the pictures of prompts alone, and always takes the last."""

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> Any:
        return [
            [
                GeneratedImage(Image.fromarray(np.random.default_rng(item.seed).integers(0, 255, (16, 16, 3), "uint8")))
                for item in group
            ]
            for group in noise
        ]

    def embed_images(self, images: Sequence[Image.Image]) -> Any:
        return np.stack([self._vector(COLOURS.index(colour_of(image))) for image in images])

    def embed_prompts(self, prompts: Sequence[Prompt]) -> Any:
        numbers = [COLOURS.index(colour_of(prompt.images[-1])) for prompt in prompts]
        return np.stack([self._vector((number + 1) % len(COLOURS)) for number in numbers])

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        return [colour_of(prompt.images[-1]) if prompt.images else "no idea" for prompt in prompts]

    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        pairs = zip(prompts, continuations, strict=True)
        return [-1.0 - (colour_of(prompt.images[-1]) != text) for prompt, text in pairs]

    @staticmethod
    def _vector(number: int) -> Any:
        return np.eye(len(COLOURS), dtype=np.float32)[number]
