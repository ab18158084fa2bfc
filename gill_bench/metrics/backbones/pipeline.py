"""Features of picture files: threads read and prepare the next ones while the network works, and memory is bounded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gill_bench.errors import GillBenchError, InputError
from gill_bench.metrics.backbones.features import FeatureExtractor, TwoStepExtractor
from gill_bench.metrics.backbones.prepare import Prepare, as_stored
from gill_bench.storage.images import UnreadablePictureError, load_image
from gill_bench.storage.read_ahead import read_ahead

Load = Callable[[Path], Image.Image]
"""Reads a file as an RGB picture; called in any thread."""

BATCH = 32
"""The number of pictures in one call of a network. It is not a setting, because in another batch size the sums inside
a network round differently, and features differ in their last digits."""


def features_of(
    files: Sequence[Path], extractor: FeatureExtractor, prepare: Prepare = as_stored, load: Load = load_image
) -> NDArray[np.float32]:
    """Features (N, d) of N picture files, in the order of the files.

    Args:
        files: The files, at least one.
        extractor: The feature network.
        prepare: The preparation of each RGB picture (`gill_bench.metrics.backbones.prepare`).
        load: The function that reads the files.

    Raises:
        InputError: There is no file, or a file cannot be read.
        GillBenchError: The features of a file are not finite.
    """
    if not files:
        raise InputError("no pictures to compute features of")
    show: Callable[[Image.Image], Any] = as_stored
    network: Callable[[Sequence[Any]], NDArray[np.float32]] = extractor
    if isinstance(extractor, TwoStepExtractor):
        show, network = extractor.pixels, extractor.features
    pictures, blocks = read_ahead(_reader(load, lambda image: show(prepare(image))), files), []
    for start in range(0, len(files), BATCH):
        batch = list(islice(pictures, BATCH))
        features = network(batch)
        if features.shape != (len(batch), extractor.dim):
            raise ValueError(
                f"{extractor.name}: features of shape {features.shape}, expected {(len(batch), extractor.dim)}"
            )
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            file = files[start + int(np.argmin(finite))]
            raise GillBenchError(f"{file}: features of {extractor.name} are not finite; its weights may be damaged")
        blocks.append(features)
    return np.concatenate(blocks)


def _reader(load: Load, prepare: Callable[[Image.Image], Any]) -> Callable[[Path], Any]:
    def read(file: Path) -> Any:
        try:
            return prepare(load(file))
        except UnreadablePictureError as error:
            raise InputError(
                f"{file}: {error}; a distance needs every picture of its sets: make the file again, or leave it out"
            ) from error

    return read
