"""Whether the outputs of some calls differ from those of others by more than calls differ among themselves.

The test is that of Dempster for means of more dimensions than samples (A significance test for the separation of two
highly multivariate small samples, Biometrics 16, 1960): the squared distance of the two means over the trace of the
covariance, which is about an F with r and r (n - 2) degrees of freedom; r, the effective number of dimensions, is
estimated as by Bai and Saranadasa (Effect of high dimension, Statistica Sinica 6, 1996).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gill_bench.checks.probe.ask import Answer

LEVEL = 1e-4
"""The probability, for each part, of finding a part read that is not: with ten parts, one probe in a thousand errs."""


def lie_apart(changed: Sequence[Sequence[Answer]], plain: Sequence[Sequence[Answer]]) -> bool:
    """Whether the means of two groups of calls differ.

    The test is done twice, at half the level: with all dimensions, and without the direction in which calls of the
    untouched prompt differ most, such as that of brightness, which is found in the other half of these calls.

    Args:
        changed: Two calls or more, each with as many outputs of a changed prompt.
        plain: Four calls or more with the untouched prompt.
    """
    if len(changed) < 2:
        return False
    means = _means([*changed, *plain])
    first, second = means[: len(changed)], means[len(changed) :]
    half = len(second) // 2
    direction = np.linalg.svd(second[:half] - second[:half].mean(axis=0), full_matrices=False)[2][0]
    aside = [group - np.outer(group @ direction, direction) for group in (first, second[half:])]
    return min(probability(first, second), probability(*aside)) < LEVEL / 2


def probability(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The probability that the means of two groups lie as far apart by chance.

    Args:
        first: Samples of one group (a, dimensions).
        second: Samples of the other (b, dimensions).
    """
    from scipy.stats import f

    a, b = len(first), len(second)
    freedom = a + b - 2
    rest = np.concatenate([first - first.mean(axis=0), second - second.mean(axis=0)])
    gram = rest @ rest.T / freedom
    trace, square = float(np.trace(gram)), float((gram**2).sum())
    apart = float(((first.mean(axis=0) - second.mean(axis=0)) ** 2).sum()) / (1 / a + 1 / b)
    if trace <= 1e-12 * max(apart, 1e-300):
        return 0.0 if apart > 0 else 1.0
    squared = freedom**2 / ((freedom + 2) * (freedom - 1)) * (square - trace**2 / freedom)
    dimensions = min(max(trace**2 / squared if squared > 0 else first.shape[1], 1.0), float(first.shape[1]))
    return float(f.sf(apart / trace, dimensions, dimensions * freedom))


def _means(calls: Sequence[Sequence[Answer]]) -> NDArray[np.float64]:
    """The mean output of each call (calls, dimensions); of texts, the share of each of the texts that occur."""
    outputs = [output for call in calls for output in call]
    if any(isinstance(output, str) for output in outputs):
        known = {output: number for number, output in enumerate(dict.fromkeys(map(str, outputs)))}
        return np.array(
            [np.mean([np.eye(len(known))[known[str(output)]] for output in call], axis=0) for call in calls]
        )
    shape = np.shape(outputs[0])
    # Of a picture of another size than the first, as many numbers count as there is room for.
    sized = [[np.resize(np.asarray(output, dtype=np.float64), shape).ravel() for output in call] for call in calls]
    return np.array([np.mean(call, axis=0, dtype=np.float64) for call in sized])
