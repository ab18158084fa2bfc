"""CLIP's vision tower: pictures to pooled features, before the projection (protocol 1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from gill_bench.models.interleaved.loading import shared_network
from gill_bench.storage.images import rgb_of, squash_image
from gill_bench.storage.long_pictures import shortened
from gill_bench.storage.read_ahead import read_ahead
from gill_bench.weights.loading import read_part

if TYPE_CHECKING:
    from PIL.Image import Image

_BATCH = 32  # pictures in one pass


class VisualEncoder:
    """The frozen tower and its preprocessing.

    Args:
        model: A `CLIPVisionModel`.
        processor: A `CLIPImageProcessorPil`. The default processor of transformers 5 resizes with torchvision, which
            gives other pixels than PIL, with which GILL was trained.
        squash_size: Side in pixels to which pictures are squashed before CLIP's preprocessing; 0 = they are not
            squashed, and CLIP resizes and crops them.
    """

    def __init__(self, model: Any, processor: Any, squash_size: int) -> None:
        self._model = model
        self._processor = processor
        self._squash_size = squash_size

    @classmethod
    def load(cls, folder: Path, dtype: torch.dtype, device: str, squash_size: int) -> VisualEncoder:
        """Load from the folder of a vision tower or of a whole CLIP."""
        from transformers import CLIPVisionModel

        processor = load_processor(folder)
        return cls(shared_network(CLIPVisionModel, folder, dtype, device), processor, squash_size)

    @property
    def width(self) -> int:
        """Width of the features, d."""
        return int(self._model.config.hidden_size)

    @torch.inference_mode()
    def features(self, images: Sequence[Image]) -> Tensor:
        """Pooled features (N, d) of N pictures of any size."""
        if not images:
            return torch.empty(0, self.width, dtype=self._model.dtype, device=self._model.device)
        batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
        return torch.cat([self.features_of(self.pixels(batch)) for batch in batches])

    @torch.inference_mode()
    def features_of(self, pixels: Tensor) -> Tensor:
        """Pooled features (N, d) of preprocessed pictures (N, 3, height, width) on any device."""
        features: Tensor = self._model(pixels.to(self._model.device, self._model.dtype)).pooler_output
        return features

    def pixels(self, images: Sequence[Image]) -> Tensor:
        """Preprocessed pictures (N, 3, height, width), float32 on the CPU; several are preprocessed at a time."""
        return torch.cat(list(read_ahead(self._pixels, images) if len(images) > 1 else map(self._pixels, images)))

    def _pixels(self, image: Image) -> Tensor:
        """One preprocessed picture (1, 3, height, width); called in any thread."""
        if self._squash_size:
            image = squash_image(image, self._squash_size)
        prepared = self._processor([shortened(rgb_of(image), self._processor)], return_tensors="pt")
        return cast(Tensor, prepared["pixel_values"])


def load_processor(folder: Path) -> Any:
    """Load the `CLIPImageProcessorPil` of a CLIP folder."""
    from transformers import CLIPImageProcessorPil

    return read_part(CLIPImageProcessorPil, folder, "image processor")
