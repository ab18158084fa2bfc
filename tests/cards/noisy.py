"""A model that costs nothing: a picture of coloured noise that depends on the prompt and the noise's seed alone.

It is what a user's own adapter looks like, and lets the tests run the harness without a network's forward pass.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from PIL import Image
from pydantic import BaseModel, ConfigDict

from gill_bench.interfaces import GeneratedImage, Noise
from gill_bench.prompt import Prompt


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    side: int = 8
    style: Literal["plain", "striped"] = "plain"


class Noisy:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.pause = float(os.environ.get("NOISY_PAUSE", "0"))
        self.fail_on = os.environ.get("NOISY_FAIL_ON", "")

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        time.sleep(self.pause)
        if self.fail_on and any(self.fail_on in prompt.text for prompt in prompts):
            raise RuntimeError("the planted failure")
        return [
            [GeneratedImage(self._picture(prompt, one), truncated=len(prompt.text) > 80) for one in seeds]
            for prompt, seeds in zip(prompts, noise, strict=True)
        ]

    def _picture(self, prompt: Prompt, noise: Noise) -> Image.Image:
        key = hashlib.sha256(f"{prompt.text}|{noise.seed}|{noise.skip}|{self.settings.style}".encode())
        for image in prompt.images:
            key.update(image.tobytes())
        side = self.settings.side
        content = (key.digest() * (1 + side * side * 3 // 32))[: side * side * 3]
        return Image.frombytes("RGB", (side, side), content)


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Nothing can be wrong."""


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> Noisy:
    return Noisy(settings)
