"""Pairs of pictures to vote on, which cost nothing: of each of eight prompts of PartiPrompts, in two folders."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from gill_bench.analysis.annotation.from_folder import material_of_folder
from gill_bench.analysis.annotation.material import StudyMaterial
from gill_bench.analysis.annotation.study import open_study
from gill_bench.analysis.annotation.votes import HumanVote
from gill_bench.cards.find import Cards
from gill_bench.interfaces import Noise
from gill_bench.planning.resolve import resolve_task
from gill_bench.prompt import Prompt
from tests.support.small_data import write_partiprompts

PROMPTS = 8
TELLTALE = "painted by a model"
"""A text in the metadata of each generated picture, which annotators must not see."""


def prompts_and_pictures(folder: Path) -> tuple[Path, Path]:
    """Write PartiPrompts, and two folders with a picture for each prompt: (data, pictures)."""
    data = write_partiprompts(folder / "data")
    for name in ("retrieved", "generated"):
        (folder / "pictures" / name).mkdir(parents=True)
    for number in range(PROMPTS):
        Image.new("RGB", (40, 30), (20 * number, 0, 0)).save(folder / "pictures" / "retrieved" / f"{number}.jpg")
        text = PngInfo()
        text.add_text("parameters", TELLTALE)
        picture = Image.new("RGB", (32, 32), (0, 20 * number, 0))
        picture.save(folder / "pictures" / "generated" / f"{number}.png", pnginfo=text)
    return data, folder / "pictures"


def pairs(folder: Path, names: tuple[str, ...] = ()) -> StudyMaterial:
    """The study of these pictures, kept in `folder / "votes"`, with a secret that is always the same."""
    data, pictures = prompts_and_pictures(folder)
    card = resolve_task(Cards().task("partiprompts"), data=str(data), split=None, settings={})
    material = material_of_folder(pictures, card, str(data), names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "token_hex", lambda size: 2 * size * "7")
        return material.with_study(open_study(folder / "votes", material.study))


def vote(example: int, relevance: str, realism: str = "same", left: str = "generated") -> HumanVote:
    return HumanVote(str(example), relevance, realism, left, "2026-11-30T12:00:00+00:00")


class Finder:
    """Paints the number that a prompt ends with in green, and retrieves the picture that has this number in red."""

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> list[list[Image.Image]]:
        colours = [(0, 20 * _number(prompt), 0) for prompt in prompts]
        return [[Image.new("RGB", (8, 8), colour) for _ in each] for colour, each in zip(colours, noise, strict=True)]

    def embed_prompts(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        return _one_hot([_number(prompt) for prompt in prompts])

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        return _one_hot([round(np.asarray(image.convert("RGB"))[0, 0, 0] / 20) for image in images])


def _number(prompt: Prompt) -> int:
    return int(prompt.text.rstrip('"')[-1])


def _one_hot(numbers: Sequence[int]) -> NDArray[np.float32]:
    return np.eye(PROMPTS, dtype=np.float32)[list(numbers)]
