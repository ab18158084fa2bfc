"""A model that costs nothing: its outputs are made of hashes of the prompt, the noise and the setting.

It is what a user's own adapter looks like, and lets the tests run the harness without a network's forward pass. What
goes wrong in it is planted by environment variables: `NOISY_PAUSE` (seconds a call), `NOISY_STOP_AFTER` (the outputs
after which a process makes no more: its next call does not end, so that there is time to kill it),
`NOISY_FAIL_ON` (a text in a prompt), `NOISY_DIE_ON` (the same, but the process ends), `NOISY_FAIL_ON_PICTURE` (the
beginning of the SHA-256 of a candidate's pixels), `NOISY_FAIL_IN_HELPER` (loading fails in any process but the first).
"""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel, ConfigDict

from gill_bench.interfaces import Decision, GeneratedImage, Noise
from gill_bench.prompt import Prompt

WIDTH = 6
WORDS = (
    "yes",
    "no",
    "a red circle",
    "2",
    "two squares. And",
    "blue, I think",
    "a green circle on the left. A",
    "no\nQ: and?",
)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    side: int = 8
    style: Literal["plain", "striped"] = "plain"
    guidance_scale: float = 7.5


class Noisy:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pause = float(os.environ.get("NOISY_PAUSE", "0"))
        self.left = float(os.environ.get("NOISY_STOP_AFTER", "inf"))
        self.fail_on = os.environ.get("NOISY_FAIL_ON", "")
        self.die_on = os.environ.get("NOISY_DIE_ON", "")
        self.fail_on_picture = os.environ.get("NOISY_FAIL_ON_PICTURE", "")

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        self._begin(prompts, sum(map(len, noise)))
        return [
            [
                GeneratedImage(self._picture(prompt, sample_noise), truncated=len(prompt.text) > 80)
                for sample_noise in seeds
            ]
            for prompt, seeds in zip(prompts, noise, strict=True)
        ]

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        self._begin(())
        hashes = [hashlib.sha256(image.tobytes()) for image in images]
        if self.fail_on_picture and any(digest.hexdigest().startswith(self.fail_on_picture) for digest in hashes):
            raise RuntimeError("the planted failure")
        return _unit([digest.digest() for digest in hashes])

    def embed_prompts(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        self._begin(prompts)
        return _unit([self._hash(prompt).digest() for prompt in prompts])

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        self._begin(prompts)
        return [WORDS[self._hash(prompt).digest()[0] % len(WORDS)] for prompt in prompts]

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        self._begin(prompts)
        pairs = zip(prompts, continuations, strict=True)
        return [-float(self._hash(prompt, text).digest()[0] % 40) / 8 for prompt, text in pairs]  # some are equal

    def decision_features(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        return 3 * self.embed_prompts(prompts)

    def decide(self, prompts: Sequence[Prompt]) -> list[Decision]:
        self._begin(prompts)
        chances = [self._hash(prompt).digest()[0] / 255 for prompt in prompts]
        return [Decision("retrieve" if chance > 0.5 else "generate", chance) for chance in chances]

    def _begin(self, prompts: Sequence[Prompt], outputs: int = 0) -> None:
        time.sleep(self.pause if self.left > 0 else 600)
        self.left -= outputs or len(prompts)
        if self.fail_on and any(self.fail_on in prompt.text for prompt in prompts):
            raise RuntimeError("the planted failure")
        if self.die_on and any(self.die_on in prompt.text for prompt in prompts):
            os._exit(9)

    def _hash(self, prompt: Prompt, *more: object) -> hashlib._Hash:
        key = hashlib.sha256("|".join(map(str, [prompt.text, *more, self.settings.style])).encode())
        for image in prompt.images:
            key.update(image.tobytes())
        return key

    def _picture(self, prompt: Prompt, noise: Noise) -> Image.Image:
        side = self.settings.side
        key = self._hash(prompt, noise.seed, noise.skip).digest()
        content = (key * (1 + side * side * 3 // 32))[: side * side * 3]
        return Image.frombytes("RGB", (side, side), content)


def _unit(keys: Sequence[bytes]) -> NDArray[np.float32]:
    """Unit vectors of whole steps, so that some similarities are exactly equal."""
    vectors = np.array([[byte % 5 - 2.0 for byte in key[:WIDTH]] for key in keys])
    vectors[~vectors.any(axis=1), 0] = 1.0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Accept all settings and weights."""


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> Noisy:
    if os.environ.get("NOISY_FAIL_IN_HELPER") and multiprocessing.parent_process() is not None:
        raise RuntimeError("the planted failure of a helper")
    return Noisy(settings)
