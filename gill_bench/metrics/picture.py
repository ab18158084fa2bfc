"""The base of metrics that compare a generated picture with a reference picture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from PIL import Image
from torchmetrics import Metric


class PictureMetric(Metric):
    """A torchmetrics metric over pairs of pictures that keeps one value per pair.

    Features of a picture are computed by `features` and compared by `compare`, so that those of a reference, which all
    models, contexts and seeds share, are computed once. States merge by concatenation, in the order of the updates.
    """

    full_state_update = False
    is_differentiable = False
    values: list[torch.Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("values", default=[], dist_reduce_fx="cat")

    @abstractmethod
    def features(self, images: Sequence[Image.Image]) -> list[torch.Tensor]:
        """Features of N pictures (RGB, any sizes): tensors whose first dimension is N."""

    @abstractmethod
    def compare(self, generated: list[torch.Tensor], reference: list[torch.Tensor]) -> torch.Tensor:
        """Values (N,) float32 of N generated pictures against N references, or against one reference (broadcast)."""

    def update(self, generated: Sequence[Image.Image], reference: Sequence[Image.Image]) -> None:
        """Add N pairs, given as pictures."""
        if len(generated) != len(reference):
            raise ValueError(f"{len(generated)} generated pictures, but {len(reference)} references")
        self.values.append(self.compare(self.features(generated), self.features(reference)))

    def per_sample(self) -> torch.Tensor:
        """The values (N,) of all pairs so far, in order."""
        return torch.cat(list(self.values)) if len(self.values) else torch.zeros(0)

    def compute(self) -> torch.Tensor:
        """The mean over pairs, float64; NaN without any."""
        return self.per_sample().double().mean()
