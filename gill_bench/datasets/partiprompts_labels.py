"""The label that follows from five annotators' votes on a prompt of PartiPrompts (protocol 3.11; paper App. C)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Label = Literal["gen", "ret", "same"]


def label_of(votes: Sequence[str], rule: Literal["released", "strict"] = "released") -> Label:
    """The kind of picture on which the votes agree, "gen" (generated) or "ret" (retrieved); "same" if they disagree.

    Args:
        votes: For each annotator "gen", "ret" or "same".
        rule: "released" asks for four equal votes, or three with at most one vote for the other kind; it gives the
            labels that the authors released. "strict" asks for four equal votes, as the paper says.

    Raises:
        ValueError: There is no vote, or a vote is none of "gen", "ret" and "same".

    >>> label_of(["gen", "gen", "gen", "ret", "same"]), label_of(["gen", "gen", "gen", "ret", "ret"])
    ('gen', 'same')
    >>> label_of(["gen", "gen", "gen", "ret", "same"], rule="strict")
    'same'
    """
    if not votes or not {"gen", "ret", "same"}.issuperset(votes):
        raise ValueError(f"votes {list(votes)}: expected some of 'gen', 'ret', 'same'")
    gen, ret = votes.count("gen"), votes.count("ret")
    for label, favour, against in (("gen", gen, ret), ("ret", ret, gen)):
        if favour >= 4 or (rule == "released" and favour == 3 and against <= 1):
            return "gen" if label == "gen" else "ret"
    return "same"
