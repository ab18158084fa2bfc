"""How many votes a study has, how they fall, and how far its annotators agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from gill_bench.analysis.annotation.study import QUESTIONS, SAME, Study
from gill_bench.analysis.annotation.votes import Votes
from gill_bench.statistics.agreement import krippendorff_alpha, share_agreeing

FIVE = 5
"""The number of annotators of the paper, of whom four must agree (paper App. F)."""


@dataclass(frozen=True, slots=True)
class QuestionTally:
    """The votes on one question.

    Attributes:
        question: "relevance" or "realism".
        counts: The number of votes for each side, and for "same".
        alpha: Krippendorff's alpha for nominal data; None if nothing can disagree yet.
        four_of_five: Of the examples with at least five votes, the share of which four fifths of the votes agree; None
            if there is no such example.
        with_five: The number of examples with at least five votes.
    """

    question: str
    counts: Mapping[str, int]
    alpha: float | None
    four_of_five: float | None
    with_five: int


@dataclass(frozen=True, slots=True)
class VoteTally:
    """The votes of a study.

    Attributes:
        examples: The number of examples.
        annotators: The number of votes of each annotator.
        with_votes: The number of examples with a vote.
        with_several: The number of examples with two votes or more, on which agreement rests.
        left: Of all answers that prefer a picture, the share that prefer the left one; None if there are none. As sides
            are drawn by chance, it is far from a half only if annotators favour a side.
        questions: The votes on each question.
    """

    examples: int
    annotators: Mapping[str, int]
    with_votes: int
    with_several: int
    left: float | None
    questions: tuple[QuestionTally, ...]


def tally(study: Study, votes: Votes) -> VoteTally:
    """Count the votes of a study."""
    cast = [vote for of_annotator in votes.values() for vote in of_annotator.values()]
    sizes = Counter(vote.example for vote in cast)
    preferring = [answer == vote.left for vote in cast for answer in (vote.relevance, vote.realism) if answer != SAME]
    return VoteTally(
        len(study.items),
        {name: len(of_annotator) for name, of_annotator in votes.items()},
        len(sizes),
        sum(size > 1 for size in sizes.values()),
        sum(preferring) / len(preferring) if preferring else None,
        tuple(_of_question(study, votes, question) for question in QUESTIONS),
    )


def answers(study: Study, votes: Votes, question: str) -> dict[str, list[str]]:
    """The answers to one question by example, in the order of the data; of each example in the annotators' order."""
    by_example: dict[str, list[str]] = {}
    for item in study.items:
        cast = [of_annotator[item.example] for of_annotator in votes.values() if item.example in of_annotator]
        if cast:
            by_example[item.example] = [getattr(vote, question) for vote in cast]
    return by_example


def _of_question(study: Study, votes: Votes, question: str) -> QuestionTally:
    items = list(answers(study, votes, question).values())
    counts = Counter(answer for item in items for answer in item)
    share, with_five = share_agreeing(items, FIVE)
    names = [*(side.name for side in study.sides), SAME]
    return QuestionTally(question, {name: counts[name] for name in names}, krippendorff_alpha(items), share, with_five)
