"""The protocol of the feature networks of FID and KID."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class FeatureExtractor(Protocol):
    """A network that turns pictures into features.

    Attributes:
        name: The network, its mode and the output that is taken, in one text for signatures.
        dim: The length of a feature vector.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def dim(self) -> int: ...  # noqa: D102

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        """Features (N, dim) of one batch of N >= 1 RGB pictures of any sizes, in the order of the pictures."""
