"""Human performance on PartiPrompts: each annotator against the label of all annotators (protocol 3.11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gill_bench.errors import InputError
from gill_bench.metrics.functional.decision.f1 import LABELS, macro_f1


@dataclass(frozen=True, slots=True)
class HumanF1:
    """Macro F1 of the annotators.

    Attributes:
        mean: Mean over the annotators that have a value.
        per_annotator: The value of each annotator in the order of the votes; None for an annotator without a vote "gen"
            or "ret".
        n: Number of prompts with a label.
    """

    mean: float
    per_annotator: tuple[float | None, ...]
    n: int


def human_f1(votes: Sequence[Sequence[str]], labels: Sequence[str]) -> HumanF1:
    """Macro F1 of every annotator's votes against the labels, without the prompts that the annotator voted "same".

    A label includes the annotator's own vote. Leaving that vote out changes nothing here: a label that is kept never
    flips when one vote is removed. Over all kept prompts the mean is the paper's 0.851 (the authors' protocol); over
    the test prompts, on which the models of the same table are scored, it is 0.843.

    Args:
        votes: For each prompt the votes "gen", "ret" or "same" of the annotators, in fixed order; in a shorter row the
            last annotators have not voted.
        labels: For each prompt "gen" or "ret", or "same" for a prompt that is not kept and not scored.

    Raises:
        InputError: No vote can be scored.
        ValueError: The lengths differ, or a vote or label has another name.

    >>> human_f1([["gen", "gen"], ["ret", "same"]], ["gen", "ret"])
    HumanF1(mean=0.75, per_annotator=(1.0, 0.5), n=2)
    """
    if len(votes) != len(labels):
        raise ValueError(f"{len(votes)} rows of votes and {len(labels)} labels, expected a row for each")
    strange = set(labels).union(*votes) - {*LABELS, "same"}
    if strange:
        raise ValueError(f"votes or labels {sorted(strange)}: expected 'gen', 'ret' or 'same'")
    kept = [(row, label) for row, label in zip(votes, labels, strict=True) if label != "same"]
    per_annotator: list[float | None] = []
    for annotator in range(max((len(row) for row, _ in kept), default=0)):
        pairs = [(label, row[annotator]) for row, label in kept if len(row) > annotator and row[annotator] != "same"]
        per_annotator.append(macro_f1(*zip(*pairs, strict=True)) if pairs else None)
    values = [value for value in per_annotator if value is not None]
    if not values:
        raise InputError("no annotator says gen or ret for a prompt that has a label: there is nothing to score")
    return HumanF1(sum(values) / len(values), tuple(per_annotator), len(kept))
