"""Models that use their context in known ways and cost nothing, for tests of the gains of context."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from gill_bench.interfaces import Noise
from gill_bench.prompt import Prompt


class LastPicture:
    """Paints its prompt's last picture again, and grey without pictures."""

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> list[list[Image.Image]]:
        return [[self.paint(prompt, each.seed) for each in seeds] for prompt, seeds in zip(prompts, noise, strict=True)]

    def paint(self, prompt: Prompt, seed: int) -> Image.Image:
        return prompt.images[-1].copy() if prompt.images else Image.new("RGB", (32, 32), (seed % 256, 128, 128))


class Blind(LastPicture):
    """Paints a colour that depends on the noise alone."""

    def paint(self, prompt: Prompt, seed: int) -> Image.Image:
        return Image.new("RGB", (32, 32), (seed % 256, seed // 256 % 256, 128))


class TextOnly(Blind):
    """Like `Blind`, but declares that it reads no pictures."""

    inputs = ("text",)
