"""Baselines that decide without reading the prompt: constant and random decisions (paper Table 6; protocol 3.11)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gill_bench.metrics.functional.decision.f1 import Labels, macro_f1


@dataclass(frozen=True, slots=True)
class Expected:
    """Expectation and standard deviation of a random value, both exact.

    Attributes:
        mean: The expectation.
        std: The standard deviation of the value of a single draw.
    """

    mean: float
    std: float


def constant_f1(truth: Labels, label: Literal["gen", "ret"]) -> float:
    """Macro F1 of a baseline that always decides for `label`.

    >>> constant_f1(["gen", "gen", "ret"], "gen")
    0.4
    """
    return macro_f1(truth, [label] * len(truth))


def random_f1(truth: Labels, p_ret: float) -> Expected:
    """Expectation and standard deviation, over all draws, of macro F1 of decisions that are "ret" at random.

    The sums run over the two binomial counts on which macro F1 depends; nothing is simulated. The paper's 0.451 is the
    value of one draw.

    Args:
        truth: N labels, each "gen" or "ret".
        p_ret: The probability of "ret". In the paper's "random" it is the share of "ret" among the training prompts.

    Raises:
        ValueError: `p_ret` is not a probability, there is no label, or a label has another name.

    >>> round(random_f1(["gen", "ret"], 0.5).mean, 4)
    0.4167
    """
    if not 0 <= p_ret <= 1:
        raise ValueError(f"probability {p_ret}, expected 0 to 1")
    macro_f1(truth, truth)  # checks the labels
    n_ret = int((np.asarray(truth) == "ret").sum())
    n_gen = len(truth) - n_ret
    right = np.arange(n_ret + 1)[:, None]  # how many "ret" are decided "ret"
    wrong = np.arange(n_gen + 1)[None, :]  # how many "gen" are decided "ret"
    called_ret = right + wrong
    ret = _ratio(2 * right, n_ret + called_ret)
    gen = _ratio(2 * (n_gen - wrong), n_gen + len(truth) - called_ret)
    weights = _binomial(n_ret, p_ret)[:, None] * _binomial(n_gen, p_ret)[None, :]
    values = (ret + gen) / 2
    mean = float((weights * values).sum())
    return Expected(mean, math.sqrt(float((weights * (values - mean) ** 2).sum())))


def _ratio(part: NDArray[np.int64], whole: NDArray[np.int64]) -> NDArray[np.float64]:
    """`part / whole`, and 0 if `whole` is 0, because `part` is 0 then."""
    return np.asarray(part / np.maximum(whole, 1), np.float64)


def _binomial(n: int, p: float) -> NDArray[np.float64]:
    """The probabilities (n + 1,) of 0 to n successes.

    They are computed here because scipy's `binom.pmf` is less exact in the last digits.
    """
    distribution = np.ones(1)
    for _ in range(n):
        distribution = np.convolve(distribution, [1 - p, p])
    return distribution
