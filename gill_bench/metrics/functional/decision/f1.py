"""Macro F1 of decisions between retrieving and generating (paper Table 6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LABELS = ("gen", "ret")
"""The two labels, in the order of the classifier's columns."""

Labels = Sequence[str] | NDArray[np.str_]


def macro_f1(truth: Labels, predicted: Labels) -> float:
    """Mean F1 of the classes gen and ret, 0 to 1; a class that occurs on neither side counts 0.

    Args:
        truth: N labels, each "gen" or "ret".
        predicted: N decisions, each "gen", "ret", or "same", which is wrong for either label.

    Raises:
        ValueError: The lengths differ, there is no label, or a label has another name.

    >>> round(macro_f1(["gen", "gen", "ret"], ["gen", "gen", "gen"]), 3)
    0.4
    """
    from sklearn.metrics import f1_score  # takes a second to import

    true, chosen = np.asarray(truth), np.asarray(predicted)
    if true.shape != chosen.shape or true.ndim != 1 or not len(true):
        raise ValueError(f"{true.shape} labels and {chosen.shape} predictions, expected as many of both, at least one")
    strange = set(true.tolist()) - set(LABELS) | set(chosen.tolist()) - {*LABELS, "same"}
    if strange:
        raise ValueError(f"labels {sorted(strange)}: expected 'gen' or 'ret' (and, as a prediction, 'same')")
    return float(f1_score(true, chosen, labels=list(LABELS), average="macro", zero_division=0))
