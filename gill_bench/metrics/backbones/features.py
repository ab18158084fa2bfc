"""The protocol of the feature networks of FID and KID."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

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


@runtime_checkable
class TwoStepExtractor(FeatureExtractor, Protocol):
    """A feature network whose pictures may be prepared in other threads, so that the network need not wait for that."""

    def pixels(self, image: Image.Image) -> Any:
        """An RGB picture of any size as the network reads it, on the CPU; called in any thread."""

    def features(self, pixels: Sequence[Any]) -> NDArray[np.float32]:
        """Features (N, dim) of N >= 1 prepared pictures; `self(images)` are those of `pixels` of the images."""
