"""Statistics over seeds: exact, so that the order in which results arrive can never change a printed number."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and sample standard deviation of one number over seeds.

    Attributes:
        mean: The arithmetic mean.
        std: The sample standard deviation (divisor n - 1); None for a single value, which has no spread.
        n: How many values.
    """

    mean: float
    std: float | None
    n: int


def spread(values: Iterable[float]) -> Spread:
    """Mean and sample standard deviation, independent of the order of the values.

    Sums are exact (`math.fsum` and rational arithmetic of the standard library), unlike numpy's, which depend on order.

    Args:
        values: At least one finite number.

    Raises:
        ValueError: There is no value, or one is not finite.

    >>> spread([1.0, 2.0, 3.0])
    Spread(mean=2.0, std=1.0, n=3)
    >>> spread([0.5])
    Spread(mean=0.5, std=None, n=1)
    """
    numbers = [float(value) for value in values]
    if not numbers:
        raise ValueError("spread of no values")
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"spread of values that are not finite: {numbers}")
    std = statistics.stdev(numbers) if len(numbers) > 1 else None
    return Spread(statistics.fmean(numbers), std, len(numbers))
