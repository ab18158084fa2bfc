"""Features of a CLIP vision tower for FID and KID, if Inception's classes do not fit the pictures (the mini world)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from gill_bench.metrics.backbones.any_encoder import EncoderFeatures
from gill_bench.metrics.backbones.clip import ClipSimilarity, load_clip
from gill_bench.metrics.backbones.features import FeatureExtractor
from gill_bench.storage.reading import read_json
from gill_bench.weights.picture_encoder import CLIPS, PictureEncoder


class ClipVision:
    """Features as the tower returns them, without normalisation (like clean-fid's `clip_vit_b_32`).

    Preprocessing is the tower's own: the short side is resized to its size (PIL bicubic), then the centre is cut out.

    Attributes:
        name: "clip-vision-projected" or "clip-vision-pooled".
        dim: Width of the projection, or of the tower.
    """

    def __init__(self, clip: ClipSimilarity, features: Literal["projected", "pooled"]) -> None:
        self._clip = clip
        self.name = f"clip-vision-{features}"
        config = clip.tower.config
        self.dim = int(config.projection_dim if features == "projected" else config.hidden_size)

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Features (N, dim) of N RGB pictures."""
        return self.features([self.pixels(image) for image in images])

    def pixels(self, image: Image.Image) -> torch.Tensor:
        """An RGB picture as the tower reads it, (3, height, width), float32."""
        return self._clip.prepare(image)

    @torch.inference_mode()
    def features(self, pixels: Sequence[torch.Tensor]) -> NDArray[np.float32]:
        """Features (N, dim) of N prepared pictures."""
        tower = self._clip.tower
        output = getattr(tower(torch.stack(list(pixels)).to(tower.device, tower.dtype)), self._clip.output)
        features: NDArray[np.float32] = output.float().cpu().numpy()
        return features


def load_clip_vision(
    folder: Path, *, features: Literal["projected", "pooled"] = "projected", dtype: str = "float32", device: str = "cpu"
) -> FeatureExtractor:
    """Load the vision tower of a folder with a whole CLIP or a vision tower, or any other encoder of pictures.

    "projected" features are the image embedding, "pooled" ones the tower's `pooler_output` before projection. Features
    are float32, whatever the tower's type is.
    """
    if read_json(folder / "config.json").get("model_type") not in CLIPS:
        return EncoderFeatures(PictureEncoder.load(folder, dtype, device, features), features)
    return ClipVision(load_clip(folder, features=features, dtype=dtype, device=device), features)
