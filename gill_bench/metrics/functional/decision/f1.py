"""Macro F1 of decisions between retrieving and generating (paper Table 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LABELS = ("gen", "ret")
"""In the order of the classifier's columns."""

Labels = Sequence[str] | NDArray[np.str_]


def macro_f1(truth: Labels, predicted: Labels) -> float:
    """Mean F1 of the classes gen and ret, 0 to 1; a class that occurs on neither side counts 0.

    The value of scikit-learn 1.9's `f1_score(average="macro", labels=["gen", "ret"], zero_division=0)`.

    Args:
        truth: "gen" or "ret", N of them.
        predicted: The same, or "same" for a decision that is wrong either way.

    Raises:
        ValueError: Lengths differ, there is nothing to compare, or a label is none of these.

    >>> round(macro_f1(["gen", "gen", "ret"], ["gen", "gen", "gen"]), 3)
    0.4
    """
    true, chosen = np.asarray(truth), np.asarray(predicted)
    if true.shape != chosen.shape or true.ndim != 1 or not len(true):
        raise ValueError(f"{true.shape} labels and {chosen.shape} predictions, expected as many, at least one")
    strange = set(true.tolist()) - set(LABELS) | set(chosen.tolist()) - {*LABELS, "same"}
    if strange:
        raise ValueError(f"labels {sorted(strange)}: expected 'gen' or 'ret' (and, as a prediction, 'same')")
    scores = []
    for label in LABELS:
        is_true, is_chosen = true == label, chosen == label
        both, either = int((is_true & is_chosen).sum()), int(is_true.sum()) + int(is_chosen.sum())
        scores.append(2 * both / either if either else 0.0)
    return sum(scores) / len(LABELS)
