"""A model as a user would write it: a class that Python imports."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image

from gill_bench.interfaces import Noise
from gill_bench.prompt import Prompt


class SmallPainter:
    """Paints a colour that depends on the noise alone."""

    def __init__(self, side: int = 16) -> None:
        self.side = side

    def generate_images(self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]) -> list[list[Image.Image]]:
        """Generate a picture per prompt and noise."""
        colours = [[(sample.seed % 256, sample.seed // 256 % 256, 128) for sample in samples] for samples in noise]
        return [[Image.new("RGB", (self.side, self.side), colour) for colour in row] for row in colours]
