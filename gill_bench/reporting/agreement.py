"""Votes and agreement of annotators, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from gill_bench.analysis.annotation.tally import QuestionTally, VoteTally


def render_tally(tally: VoteTally) -> str:
    """The numbers of votes, and for each question how they fall and how far annotators agree."""
    return "\n".join(_lines(tally))


def _lines(tally: VoteTally) -> Iterator[str]:
    yield f"{tally.with_votes} of {tally.examples} examples have votes, {tally.with_several} of them two or more"
    for name, count in tally.annotators.items():
        yield f"  {name}: {count}"
    for question in tally.questions:
        counts = ", ".join(f"{name} {count}" for name, count in question.counts.items())
        yield ""
        yield f"{question.question}: {counts}"
        yield f"  Krippendorff's alpha (nominal)  {_number(question.alpha)}"
        yield f"  four of five agree              {_share(question)}"
    if tally.left is not None:
        yield ""
        yield f"Of all preferences {tally.left:.0%} are for the left picture; sides are drawn by chance."


def _number(value: float | None) -> str:
    return "- (no example with two votes, or all votes the same)" if value is None else f"{value:.3f}"


def _share(question: QuestionTally) -> str:
    if question.four_of_five is None:
        return "- (no example with five votes)"
    return f"{question.four_of_five:.1%} of {question.with_five} examples with five votes or more"
