"""Files that annotators send back: read once, and refused if anything in them is not of this study."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gill_bench.analysis.annotation.returned import add_returned, vote_for_page, vote_from_page
from gill_bench.analysis.annotation.study import Study
from gill_bench.analysis.annotation.votes import VoteBook, read_votes
from gill_bench.errors import InputError
from tests.support.annotation import pairs, vote

CAST = [vote(0, "generated"), vote(3, "same", "retrieved", left="retrieved")]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return pairs(tmp_path).study


def sent(folder: Path, of_study: Study, **changes: Any) -> Path:
    """A file as the page saves it, with changes at its top."""
    content: dict[str, Any] = {
        "format": "gill-bench votes",
        "version": 1,
        "study": of_study.digest,
        "annotator": "Ann",
        "votes": [vote_for_page(each, of_study) for each in CAST],
        **changes,
    }
    file = folder / "votes-Ann.json"
    file.write_text(json.dumps(content))
    return file


def test_votes_of_the_page_and_back(study: Study) -> None:
    for each in CAST:
        assert vote_from_page(vote_for_page(each, study), study) == each


def test_a_file_is_added_once_and_a_longer_one_adds_the_rest(study: Study, tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes", study)
    first = [vote_for_page(CAST[0], study)]
    assert add_returned(sent(tmp_path, study, votes=first), study, book) == ("Ann", 1)
    assert add_returned(sent(tmp_path, study, votes=first), study, book) == ("Ann", 0)
    assert add_returned(sent(tmp_path, study), study, book) == ("Ann", 1)
    assert add_returned(sent(tmp_path, study, annotator="Bo"), study, book) == ("Bo", 2)
    assert read_votes(tmp_path / "votes", study) == {
        name: {each.example: each for each in CAST} for name in ("Ann", "Bo")
    }


def test_another_person_of_the_same_name_is_refused(study: Study, tmp_path: Path) -> None:
    book = VoteBook(tmp_path / "votes", study)
    add_returned(sent(tmp_path, study), study, book)
    other = [vote_for_page(vote(0, "retrieved"), study), vote_for_page(vote(5, "same"), study)]
    with pytest.raises(InputError, match="'Ann' has other votes already on 1 of its examples, such as 0"):
        add_returned(sent(tmp_path, study, votes=other), study, book)
    assert book.votes("Ann") == CAST


def _second(votes: list[dict[str, Any]], **changes: Any) -> list[dict[str, Any]]:
    return [votes[0], {**votes[1], **changes}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda study, votes: {"format": "other"}, "expected a file of votes that the page saved"),
        (lambda study, votes: {"version": 2}, "expected a file of votes that the page saved"),
        (lambda study, votes: {"study": "0" * 64}, "votes on another study"),
        (lambda study, votes: {"annotator": "\x1b[2J"}, "annotator: the name of an annotator: expected"),
        (lambda study, votes: {"votes": {}}, "votes: expected a list, found dict"),
        (lambda study, votes: {"votes": ["x"]}, r"votes[0]: item None is not in this study"),
        (lambda study, votes: {"votes": _second(votes, item="99")}, "votes[1]: item '99' is not in this study"),
        (lambda study, votes: {"votes": _second(votes, item="0")}, "votes[1]: item 0: realism"),
        (lambda study, votes: {"votes": _second(votes, item=["3"])}, "votes[1]: item ['3'] is not in this study"),
        (lambda study, votes: {"votes": _second(votes, left="same")}, "votes[1]: item 3: left 'same' is none of its"),
        (lambda study, votes: {"votes": _second(votes, realism="0" * 24)}, "votes[1]: item 3: realism '0000"),
        (lambda study, votes: {"votes": _second(votes, realism=None)}, "votes[1]: item 3: realism None"),
        (lambda study, votes: {"votes": _second(votes, at="soon")}, "votes[1]: at: expected a time"),
        (lambda study, votes: {"votes": [votes[0], votes[0]]}, "votes[1]: a second vote on 0"),
    ],
)
def test_what_is_not_of_this_study_is_refused_whole(
    study: Study,
    tmp_path: Path,
    change: Callable[[Study, list[dict[str, Any]]], dict[str, Any]],
    message: str,
) -> None:
    book = VoteBook(tmp_path / "votes", study)
    file = sent(tmp_path, study, **change(study, [vote_for_page(each, study) for each in CAST]))
    with pytest.raises(InputError) as error:
        add_returned(file, study, book)
    assert str(error.value).startswith(f"{file}: ")
    assert message in str(error.value)
    assert book.votes("Ann") == []


def test_a_file_that_is_cut_is_refused(study: Study, tmp_path: Path) -> None:
    file = sent(tmp_path, study)
    file.write_text(file.read_text()[:-40])
    with pytest.raises(InputError, match="cannot be read as JSON: line 1"):
        add_returned(file, study, VoteBook(tmp_path / "votes", study))
