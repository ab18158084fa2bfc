"""The CLIP vision tower of the metric `clip-similarity`, and the cosine of its features."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from transformers import AutoConfig, CLIPImageProcessorPil, CLIPVisionModel, CLIPVisionModelWithProjection

from gill_bench.metrics.picture import PictureMetric
from gill_bench.storage.long_pictures import crop_side, shortened
from gill_bench.weights.loading import read_network, read_part


class ClipPixels:
    """A function that turns a picture into the network's input: the same values as the image processor's, but faster.

    The processor takes a picture from PIL to numpy and back and normalises in float64, which takes longer than the
    resizing and, for pictures of 256 pixels, as long as reading a PNG. Here PIL resizes, and normalisation is a look-up
    in a table that the processor itself has filled: one value for each level (0..255) of each channel.

    Args:
        processor: The image processor. If it does anything else than resize the short side and crop, it is called.
    """

    def __init__(self, processor: CLIPImageProcessorPil) -> None:
        self._processor = processor
        self._short_side = crop_side(processor)
        if self._short_side:
            self._crop = (int(processor.crop_size["height"]), int(processor.crop_size["width"]))
            levels = Image.fromarray(np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2))
            output = processor(images=[levels], do_resize=False, do_center_crop=False, return_tensors="np")
            self._normalised = np.ascontiguousarray(output["pixel_values"][0][:, 0], dtype=np.float32)

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Pixels (3, H, W), float32, of an RGB picture."""
        image = shortened(image, self._processor)
        if not self._short_side:
            whole: torch.Tensor = self._processor(images=[image], return_tensors="pt")["pixel_values"][0]
            return whole
        scale = [int(self._short_side * side / min(image.size)) for side in image.size]
        resized = np.asarray(image.resize((scale[0], scale[1]), self._processor.resample))
        height, width = self._crop
        top, left = (resized.shape[0] - height) // 2, (resized.shape[1] - width) // 2
        levels = resized[top : top + height, left : left + width]
        pixels = np.empty((3, height, width), dtype=np.float32)
        for channel in range(3):
            # Every level is in the table; mode "clip" only spares numpy a check for which it would copy the array.
            np.take(self._normalised[channel], levels[..., channel], out=pixels[channel], mode="clip")
        return torch.from_numpy(pixels)


class ClipSimilarity(PictureMetric):
    """Cosine of two pictures' CLIP features, -1..1.

    Args:
        tower: The vision tower; with projection for "projected" features.
        processor: The image processor that turns pictures into the tower's input.
        features: The output of the tower that is compared.
        name: "clip-similarity", or "clip-similarity[mini]".
    """

    higher_is_better = True

    def __init__(
        self,
        tower: CLIPVisionModelWithProjection | CLIPVisionModel,
        processor: CLIPImageProcessorPil,
        features: Literal["projected", "pooled"],
        name: str,
    ) -> None:
        super().__init__()
        self.tower = tower.train(False).requires_grad_(False)
        self.processor = processor
        self.pixels = ClipPixels(processor)
        self.output = "image_embeds" if features == "projected" else "pooler_output"
        self.name = name

    def _prepare(self, image: Image.Image) -> torch.Tensor:
        return self.pixels(image)

    def _embed(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        output = self.tower(pixels.to(self.tower.device, self.tower.dtype))
        embedding: torch.Tensor = getattr(output, self.output).float()
        return [embedding / embedding.norm(dim=-1, keepdim=True)]

    def _compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        return (generated[0] * reference[0]).sum(dim=-1)


def load_clip(
    folder: Path, *, features: Literal["projected", "pooled"], dtype: str, device: str, name: str = "clip-similarity"
) -> ClipSimilarity:
    """Load the vision tower of a folder with a whole CLIP or a vision tower."""
    config = read_part(AutoConfig, folder, "configuration")
    if config.model_type == "clip":
        # The configuration of a whole CLIP states the embeddings' width once, and not for each tower.
        config.vision_config.projection_dim = config.projection_dim
        config = config.vision_config
    kind = CLIPVisionModelWithProjection if features == "projected" else CLIPVisionModel
    tower = read_network(kind, folder, getattr(torch, dtype), config=config)
    processor = read_part(CLIPImageProcessorPil, folder, "image processor")
    return ClipSimilarity(tower, processor, features, name).to(device)
