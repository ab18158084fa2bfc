"""Pools of scenes whose pictures are drawn once, as one tensor, from which batches are picked."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from gill_bench.mini.dialogs import dialog, number_of_rounds, written
from gill_bench.mini.grammar import caption, double_scene, single_scenes
from gill_bench.mini.scene import Scene

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

DOUBLES = {"train": 1500, "val": 200, "test": 200}
"""The number of scenes with two things in the pool of each split, which also has all scenes with one thing."""


@dataclass(frozen=True, slots=True)
class ScenePool:
    """Scenes and their pictures.

    Attributes:
        scenes: N scenes.
        pixels: (N, 3, 32, 32), 0..255.
    """

    scenes: list[Scene]
    pixels: Tensor

    def pick(self, count: int) -> Tensor:
        """Indices (count,) of random scenes, drawn with torch's global generator."""
        return torch.randint(len(self.scenes), (count,))


def pool(split: str, seed: int, doubles: int | None = None) -> ScenePool:
    """All scenes of a split with one thing, and some with two."""
    rng = random.Random(f"gill-bench mini pool {split} {seed}")  # noqa: S311 (a data set, not a secret)
    count = DOUBLES[split] if doubles is None else doubles
    scenes = [*single_scenes(split), *(double_scene(rng, split) for _ in range(count))]
    return ScenePool(scenes, pixels_of(scenes))


def pixels_of(scenes: Sequence[Scene]) -> Tensor:
    """The pictures of N scenes as a tensor (N, 3, 32, 32), 0..255."""
    arrays = np.stack([np.asarray(scene.render()) for scene in scenes])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2).contiguous()


def caption_ids(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], length: int) -> Tensor:
    """The ids (N, length) of N texts, padded or cut on the right."""
    ids: Tensor = tokenizer(list(texts), padding="max_length", truncation=True, max_length=length, return_tensors="pt")[
        "input_ids"
    ]
    return ids


def several_captions(
    tokenizer: PreTrainedTokenizerBase, scenes: Sequence[Scene], seed: int, ways: int, length: int, full: float
) -> Tensor:
    """Ids (N, ways, length) of `ways` captions of each scene."""
    rng = random.Random(f"gill-bench mini captions {seed}")  # noqa: S311 (a data set, not a secret)
    texts = [caption(scene, rng, full) for scene in scenes for _ in range(ways)]
    return caption_ids(tokenizer, texts, length).view(len(scenes), ways, length)


def several_dialogs(
    tokenizer: PreTrainedTokenizerBase, scenes: Sequence[Scene], seed: int, ways: int, length: int
) -> Tensor:
    """Ids (N, ways, length) of the first rounds of `ways` dialogs about each scene, cut where they are longer."""
    rng = random.Random(f"gill-bench mini dialogs {seed}")  # noqa: S311 (a data set, not a secret)
    texts = [written(dialog(scene, rng, number_of_rounds(rng))) for scene in scenes for _ in range(ways)]
    return caption_ids(tokenizer, texts, length).view(len(scenes), ways, length)
