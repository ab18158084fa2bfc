"""Votes as the page knows them, by the hidden names of pictures; files that annotators without a server send."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from gill_bench.analysis.annotation.study import QUESTIONS, SAME, Study
from gill_bench.analysis.annotation.votes import HumanVote, VoteBook, annotator_name
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json, shorten

FORMAT = "gill-bench votes"
_VERSION = 1
_LONGEST_TIME = 40


def vote_from_page(raw: Mapping[str, Any], study: Study) -> HumanVote:
    """The vote of an object of the page: `item`, the pictures' hidden names as `left` and answers, and a time `at`.

    Raises:
        ValueError: It is no vote on a pair of this study.
    """
    example = raw.get("item")
    if not isinstance(example, str) or example not in study.examples:
        raise ValueError(f"item {shorten(repr(example))} is not in this study")
    sides: dict[str, str] = {}
    for name in (*QUESTIONS, "left"):
        picture = raw.get(name)
        if picture == SAME and name != "left":
            sides[name] = SAME
            continue
        of_example, side = study.sides_by_name.get(picture, ("", "")) if isinstance(picture, str) else ("", "")
        if not side or of_example != example:
            raise ValueError(f"item {shorten(example)}: {name} {shorten(repr(picture))} is none of its pictures")
        sides[name] = side
    return HumanVote(example, sides["relevance"], sides["realism"], sides["left"], _time(raw.get("at", "")))


def vote_for_page(vote: HumanVote, study: Study) -> dict[str, str]:
    """The object of a vote, as `vote_from_page` reads it."""
    numbers = {side.name: number for number, side in enumerate(study.sides)}

    def hidden(side: str) -> str:
        return side if side == SAME else study.picture_name(vote.example, numbers[side])

    return {
        "item": vote.example,
        "left": hidden(vote.left),
        "relevance": hidden(vote.relevance),
        "realism": hidden(vote.realism),
        "at": vote.at,
    }


def add_returned(file: Path, study: Study, book: VoteBook) -> tuple[str, int]:
    """Add the votes of a file that an annotator sent; votes that are kept already are not added twice.

    Args:
        file: The file that the page of a static folder saves.
        study: The study for which the folder was made.
        book: Where votes are kept.

    Returns:
        The annotator's name, and the number of votes that are new.

    Raises:
        InputError: The file is damaged, of another study, has an unknown example or picture, or contradicts votes that
            are kept of an annotator of the same name. Nothing of the file is then added.
    """
    annotator, votes = _read(file, study)
    known = {vote.example: vote for vote in book.votes(annotator)}
    contrary = [
        vote.example
        for vote in votes.values()
        if (kept := known.get(vote.example)) and (kept.relevance, kept.realism) != (vote.relevance, vote.realism)
    ]
    if contrary:
        raise InputError(
            f"{file}: {annotator!r} has other votes already on {len(contrary)} of its examples, such as {contrary[0]}\n"
            "is it another person of this name? Then change `annotator` in the file; else remove the votes of one"
        )
    new = [vote for vote in votes.values() if vote.example not in known]
    if new:
        book.keep(annotator, new)
    return annotator, len(new)


def _read(file: Path, study: Study) -> tuple[str, dict[str, HumanVote]]:
    raw = read_json(file)
    if raw.get("format") != FORMAT or raw.get("version") != _VERSION:
        raise InputError(
            f"{file}: expected a file of votes that the page saved, with format {FORMAT!r}, version {_VERSION}"
        )
    if raw.get("study") != study.digest:
        raise InputError(
            f"{file}: votes on another study, with other examples or pictures; name its folder: --votes DIR"
        )
    try:
        annotator = annotator_name(raw.get("annotator"))
    except InputError as error:
        raise InputError(f"{file}: annotator: {error}") from error
    items = raw.get("votes")
    if not isinstance(items, list):
        raise InputError(f"{file}: votes: expected a list, found {type(items).__name__}")
    votes: dict[str, HumanVote] = {}
    for number, item in enumerate(items):
        try:
            vote = vote_from_page(item if isinstance(item, dict) else {}, study)
        except ValueError as error:
            raise InputError(f"{file}: votes[{number}]: {error}") from error
        if vote.example in votes:
            raise InputError(f"{file}: votes[{number}]: a second vote on {shorten(vote.example)}; leave one")
        votes[vote.example] = vote
    return annotator, votes


def _time(value: object) -> str:
    """A time as it was given, if it is one; "" stands for now."""
    if not value:
        return ""
    if not isinstance(value, str) or len(value) > _LONGEST_TIME:
        raise ValueError(f"at: expected a time, found {shorten(repr(value))}")
    try:
        return datetime.fromisoformat(value).isoformat(timespec="seconds")
    except ValueError:
        raise ValueError(f"at: expected a time, found {shorten(repr(value))}") from None
