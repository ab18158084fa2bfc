"""Deciding between a retrieved and a generated picture: macro F1 of rules, baselines and people (paper Table 6)."""

from gill_bench.metrics.functional.decision.baselines import Expected, constant_f1, random_f1
from gill_bench.metrics.functional.decision.f1 import LABELS, macro_f1
from gill_bench.metrics.functional.decision.human import HumanF1, human_f1
from gill_bench.metrics.functional.decision.thresholds import GRID, Sweep, similarity_rule, sweep, threshold_rule

__all__ = [
    "GRID",
    "LABELS",
    "Expected",
    "HumanF1",
    "Sweep",
    "constant_f1",
    "human_f1",
    "macro_f1",
    "random_f1",
    "similarity_rule",
    "sweep",
    "threshold_rule",
]
