"""Decisions by a threshold, and their macro F1 over a grid of thresholds (paper Table 6; protocol 3.11).

The best threshold is chosen on the same prompts that are scored. Therefore the headline is the value at one half.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gill_bench.errors import InputError
from gill_bench.metrics.functional.decision.f1 import Labels, macro_f1

Scores = NDArray[np.floating]
Rule = Callable[[Scores, float], NDArray[np.str_]]

GRID: tuple[float, ...] = tuple(step / 100 for step in range(101))
"""0, 0.01, ..., 1. The paper says "from 0 to 1" and gives no step."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """Macro F1 over thresholds.

    Attributes:
        at_half: Macro F1 at threshold 0.5, whether the grid contains 0.5 or not.
        minimum: The smallest macro F1 over the grid.
        maximum: The largest macro F1 over the grid.
        best_threshold: The smallest threshold of the grid that reaches the maximum.
    """

    at_half: float
    minimum: float
    maximum: float
    best_threshold: float


def threshold_rule(probabilities: Scores, threshold: float) -> NDArray[np.str_]:
    """The authors' rule: compare both probabilities with the threshold, and take the argmax of the two booleans.

    So the decision is "ret" only if p(ret) > t and not p(gen) > t; where both or neither exceed t it is "gen". Where no
    probability equals a threshold, t and 1 - t are the same rule; every threshold except one half favours "gen".

    Args:
        probabilities: (N, 2), of "gen" and of "ret", in their own precision, to which the threshold is rounded, as
            in torch.
        threshold: The threshold t.

    Raises:
        InputError: A probability is not within 0 to 1.
        ValueError: The shape is not (N, 2).

    >>> threshold_rule(np.array([[0.5, 0.5], [0.4, 0.6], [0.1, 0.9]]), 0.7).tolist()
    ['gen', 'gen', 'ret']
    """
    if probabilities.ndim != 2 or probabilities.shape[1] != 2:
        raise ValueError(f"probabilities of shape {probabilities.shape}, expected (N, 2)")
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        row = int(np.flatnonzero(~((probabilities >= 0) & (probabilities <= 1)).all(axis=1))[0])
        raise InputError(f"probabilities of prompt {row} are {probabilities[row].tolist()}, expected 0 to 1")
    exceeds = probabilities > float(threshold)
    return np.where(exceeds[:, 1] & ~exceeds[:, 0], "ret", "gen")


def similarity_rule(similarities: Scores, threshold: float) -> NDArray[np.str_]:
    """The paper's heuristic: retrieve if the best candidate is similar enough.

    Args:
        similarities: (N,), the largest cosine similarity of each prompt to any candidate picture.
        threshold: The decision is "ret" above the threshold, "gen" at it or below.

    Raises:
        InputError: A similarity is not finite.
        ValueError: The shape is not (N,).

    >>> similarity_rule(np.array([0.2, 0.6]), 0.5).tolist()
    ['gen', 'ret']
    """
    if similarities.ndim != 1:
        raise ValueError(f"similarities of shape {similarities.shape}, expected (N,)")
    if not np.isfinite(similarities).all():
        raise InputError(f"similarity of prompt {int(np.flatnonzero(~np.isfinite(similarities))[0])} is not finite")
    return np.where(similarities > float(threshold), "ret", "gen")


def sweep(truth: Labels, scores: Scores, rule: Rule, grid: Sequence[float] = GRID) -> Sweep:
    """Macro F1 of a rule at threshold one half and over a grid of thresholds.

    Args:
        truth: N labels, each "gen" or "ret".
        scores: The scores that the rule reads: (N, 2) for `threshold_rule`, (N,) for `similarity_rule`.
        rule: A function of scores and threshold that returns N labels.
        grid: The thresholds. The default is fine enough to be compared with the paper's three digits, and coarse enough
            not to search the test prompts for more than the paper did.

    Raises:
        InputError: The rule refuses a score.
        ValueError: The grid is empty, shapes do not fit, or a label has another name.

    >>> sweep(["gen", "ret"], np.array([0.2, 0.6]), similarity_rule, [0.1, 0.3, 0.7])
    Sweep(at_half=1.0, minimum=0.3333333333333333, maximum=1.0, best_threshold=0.3)
    """
    if not len(grid):
        raise ValueError("no thresholds")
    f1 = cache(lambda decisions: macro_f1(truth, decisions))  # most thresholds decide as the one before

    def value(threshold: float) -> float:
        return f1(tuple(rule(scores, threshold).tolist()))

    values = {threshold: value(threshold) for threshold in sorted(grid)}
    best = max(values, key=values.__getitem__)
    return Sweep(value(0.5), min(values.values()), values[best], best)
