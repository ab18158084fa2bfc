"""How far two outputs of one kind lie apart, and whether they differ at all."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import combinations

import numpy as np
from PIL import Image

from gill_bench.checks.probe.ask import Answer

ROUNDING = 1e-5
"""Vectors and log-likelihoods whose difference is below this share of their length are the same but for rounding."""
BATCH_TOLERANCE = {"pictures": 0.5, "numbers": 0.005}
"""The difference that rounding in another batch may make: levels of 255 on average; a share of a vector's length."""


def distance(first: Answer, second: Answer) -> float:
    """The distance of two outputs of one kind, 0 if they are the same.

    Returns:
        Of pictures the root of the mean squared difference, in levels of 255 (a picture of another size is resized);
        of vectors the Euclidean distance; of log-likelihoods the mean difference in nats, times the root of their
        number; of texts the share of words that are not common to both, in order, 0 to 1.
    """
    if isinstance(first, str) or isinstance(second, str):
        return 1 - SequenceMatcher(None, str(first).split(), str(second).split(), autojunk=False).ratio()
    if first.dtype == np.uint8:
        if first.shape != second.shape:
            size = (first.shape[1], first.shape[0])
            second = np.asarray(Image.fromarray(second).resize(size, Image.Resampling.BILINEAR))
        return float(np.sqrt(np.mean((first.astype(np.float32) - second.astype(np.float32)) ** 2)))
    return float(np.linalg.norm(first - second))


def differs(first: Answer, second: Answer, levels: int = 0) -> bool:
    """Whether two outputs differ: texts in any character, numbers by more than rounding, pictures in any pixel.

    With `levels` 1, pictures whose pixels differ by one level of 255 are the same: sums in another order make as much.
    """
    if isinstance(first, str) or isinstance(second, str):
        return first != second
    if first.shape != second.shape:
        return True
    if first.dtype == np.uint8:
        return int(np.abs(first.astype(np.int16) - second).max()) > levels
    return distance(first, second) > ROUNDING * max(1.0, float(np.linalg.norm(first)))


def differs_in_batch(first: Answer, second: Answer) -> bool:
    """Whether two outputs of the same prompt in different batches differ by more than rounding makes."""
    if isinstance(first, str) or isinstance(second, str):
        return first != second
    if first.dtype == np.uint8:
        if first.shape != second.shape:
            return True
        return float(np.abs(first.astype(np.float32) - second).mean()) > BATCH_TOLERANCE["pictures"]
    return distance(first, second) > BATCH_TOLERANCE["numbers"] * max(1.0, float(np.linalg.norm(first)))


def mean_distance(pairs: Sequence[tuple[Answer, Answer]]) -> float:
    """The mean distance of pairs of outputs; 0 of none."""
    return float(np.mean([distance(first, second) for first, second in pairs])) if pairs else 0.0


def spread_of(answers: Sequence[Answer]) -> float:
    """The mean distance of any two of several outputs; 0 of one."""
    return mean_distance(list(combinations(answers, 2)))
