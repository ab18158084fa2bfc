"""Any encoder of pictures behind `clip_similarity` and the features of FID: SigLIP, AltCLIP, DINOv2 and their kind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from gill_bench.metrics.picture import PictureMetric
from gill_bench.weights.picture_encoder import PictureEncoder


class EncoderSimilarity(PictureMetric):
    """Cosine of two pictures' features, -1..1."""

    higher_is_better = True

    def __init__(self, encoder: PictureEncoder, name: str) -> None:
        super().__init__()
        self.network = encoder.network
        self._encoder = encoder
        self.name = name
        blank = encoder.inputs([Image.new("RGB", (64, 64))])
        self._layout = {name: (tuple(value.shape[1:]), value.dtype) for name, value in blank.items()}

    def _prepare(self, image: Image.Image) -> torch.Tensor:
        """All inputs of a picture in a row; some encoders take a mask and a size besides the pixels."""
        inputs = self._encoder.inputs([image])
        return torch.cat([inputs[name].flatten().to(torch.float32) for name in self._layout])

    def _embed(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        ends = list(accumulate(prod(shape) for shape, _ in self._layout.values()))
        parts = torch.tensor_split(pixels, ends[:-1], dim=1)
        inputs = {
            name: part.reshape(-1, *shape).to(dtype)
            for part, (name, (shape, dtype)) in zip(parts, self._layout.items(), strict=True)
        }
        return [torch.nn.functional.normalize(self._encoder.encode(inputs), dim=-1)]

    def _compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        return (generated[0] * reference[0]).sum(dim=-1)


class EncoderFeatures:
    """Features as an encoder gives them, not normalised.

    Attributes:
        name: "clip-vision-projected" or "clip-vision-pooled", as for CLIP; which encoder it is stands beside it.
        dim: Length of a feature vector.
    """

    def __init__(self, encoder: PictureEncoder, features: str) -> None:
        self._encoder = encoder
        self.name = f"clip-vision-{features}"
        self.dim = self([Image.new("RGB", (64, 64))]).shape[1]

    @torch.inference_mode()
    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Features (N, dim)."""
        features: NDArray[np.float32] = self._encoder.encode(self._encoder.inputs(images)).cpu().numpy()
        return features
