"""What a feature network of FID and KID is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class FeatureExtractor(Protocol):
    """Turns pictures into features.

    Attributes:
        name: For signatures: network, mode, and which of its outputs.
        dim: Length of a feature vector.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Features (N, dim) of one batch of N >= 1 RGB pictures, of any sizes, in order."""
