"""The doctor's samples: prompts of different lengths, with pictures of different sizes if the model reads pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import numpy as np
from PIL import Image

from gill_bench.interfaces import Noise
from gill_bench.planning.noise import example_noise
from gill_bench.prompt import Prompt

COUNT = 3
LONG_WORDS = 300
CONTINUATIONS = (" a red circle .", " yes", " two of them are at the top , and one is gone .")
_SIZES = ((64, 48), (40, 56), (32, 32))  # width and height


def pictures() -> list[Image.Image]:
    """Three RGB pictures: gradients in different colours."""
    return [_picture(number, size) for number, size in enumerate(_SIZES)]


def prompts(inputs: Collection[str], *, all_with_pictures: bool = False) -> list[Prompt]:
    """Three prompts; with pictures between and after the texts of some, or of all, if `inputs` has "image"."""
    first, second, third = pictures()
    texts = ("a large red circle is at the top .", "the next day it moved to the left .", "what colour is it ?")
    if "image" not in inputs:
        return [Prompt(texts[:1]), Prompt(texts), Prompt(texts[2:])]
    alone = Prompt((texts[0], second)) if all_with_pictures else Prompt(texts[:1])
    return [alone, Prompt((texts[0], first, texts[1], second, texts[2])), Prompt((texts[2], third))]


def long_prompt(*, with_picture: bool = False) -> Prompt:
    """300 words, more than many text encoders read; after a picture, if a model needs one."""
    words = ["the", "small", "blue", "square", "is", "at", "the", "left", "and", "then", "goes", "up", "."]
    text = " ".join((words * LONG_WORDS)[:LONG_WORDS])
    return Prompt((pictures()[0], text) if with_picture else (text,))


def noises() -> list[list[Noise]]:
    """Two noises for each of the three prompts."""
    return [[example_noise(seed, "doctor", str(number)) for seed in range(2)] for number in range(COUNT)]


def fingerprint(value: object) -> object:
    """A value that is equal for two arguments if, and only if, their texts and pictures are."""
    if isinstance(value, list | tuple):
        return [fingerprint(item) for item in value]
    if isinstance(value, Prompt):
        return fingerprint(value.segments)
    if isinstance(value, Image.Image):
        return value.mode, value.size, hashlib.sha256(value.tobytes()).hexdigest()
    return value


def _picture(number: int, size: tuple[int, int]) -> Image.Image:
    across, down = np.meshgrid(np.linspace(0, 255, size[0]), np.linspace(0, 255, size[1]))
    channels = np.stack([across, down, np.full_like(across, 90)], axis=-1)
    return Image.fromarray(np.roll(channels, number, axis=-1).astype(np.uint8))
