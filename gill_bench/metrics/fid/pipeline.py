"""Features of picture files: threads decode while the network works, in order, with bounded memory.

Threads and not processes: PIL releases the interpreter's lock while it decodes and resizes, and starting processes
costs more than small sets take.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gill_bench.errors import GillBenchError, InputError
from gill_bench.images import UnreadablePictureError, load_image
from gill_bench.metrics.fid.features import FeatureExtractor
from gill_bench.metrics.fid.prepare import Prepare, as_stored
from gill_bench.metrics.frechet import FeatureStatistics

BATCH = 32
"""Pictures in one call of a network. It is no setting: sums over another batch differ in their last digits."""
_AHEAD = 2 * BATCH  # pictures decoded before the network wants them: what bounds memory
_PART = 8  # pictures that a thread decodes at a time: handing over one by one takes 4 % of the time of decoding
_THREADS = 8  # more do not help one network


def features_of(
    files: Sequence[Path], extractor: FeatureExtractor, prepare: Prepare = as_stored, *, threads: int | None = None
) -> NDArray[np.float32]:
    """Features (N, d) of N picture files in their order, for a KID, or for a KID and statistics.

    Args:
        files: At least one.
        extractor: Of the features.
        prepare: Applied to each RGB picture before the network (`gill_bench.metrics.fid.prepare`).
        threads: That decode; one per processor, at most eight, if None. Results do not depend on it.

    Raises:
        InputError: No files; or a file cannot be read, which it names.
        GillBenchError: Features are not finite; names the file.
    """
    return np.concatenate(list(_batches(files, extractor, prepare, threads)))


def statistics_of(
    files: Sequence[Path], extractor: FeatureExtractor, prepare: Prepare = as_stored, *, threads: int | None = None
) -> FeatureStatistics:
    """Statistics of the features of picture files, without keeping the features.

    Args and errors are those of `features_of`.
    """
    return FeatureStatistics.stream(_batches(files, extractor, prepare, threads))


def _batches(
    files: Sequence[Path], extractor: FeatureExtractor, prepare: Prepare, threads: int | None
) -> Iterator[NDArray[np.float32]]:
    if not files:
        raise InputError("no pictures to compute features of")
    pictures = _pictures(files, prepare, threads or min(os.cpu_count() or 1, _THREADS))
    for start in range(0, len(files), BATCH):
        batch = list(islice(pictures, BATCH))
        features = extractor(batch)
        if features.shape != (len(batch), extractor.dim):
            raise ValueError(
                f"{extractor.name}: features of shape {features.shape}, expected {(len(batch), extractor.dim)}"
            )
        finite = np.isfinite(features).all(axis=1)
        if not finite.all():
            file = files[start + int(np.argmin(finite))]
            raise GillBenchError(f"{file}: features of {extractor.name} are not finite; its weights may be damaged")
        yield features


def _pictures(files: Sequence[Path], prepare: Prepare, threads: int) -> Iterator[Image.Image]:
    """Prepared pictures in order; when the caller stops, what was not begun is not read."""

    def read(part: Sequence[Path]) -> list[Image.Image]:
        return [_read(file, prepare) for file in part]

    waiting: deque[Future[list[Image.Image]]] = deque()
    executor = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    try:
        for start in range(0, len(files), _PART):
            waiting.append(executor.submit(read, files[start : start + _PART]))
            if len(waiting) * _PART > _AHEAD:
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


def _read(file: Path, prepare: Prepare) -> Image.Image:
    try:
        return prepare(load_image(file))
    except UnreadablePictureError as error:
        raise InputError(
            f"{file}: {error}; a distance needs every picture of its sets: make the file again, or leave it out"
        ) from error
