"""The CLIP vision tower of the metric `clip-similarity`, and the cosine of its features."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from transformers import AutoConfig, CLIPImageProcessorPil, CLIPVisionModel, CLIPVisionModelWithProjection

from gill_bench.metrics.backbones.clip_pixels import ClipPixels
from gill_bench.metrics.picture import PictureMetric
from gill_bench.weights.loading import read_network, read_part


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
