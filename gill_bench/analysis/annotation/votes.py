"""The votes of annotators: a file of JSON lines for each, to which a vote is appended before its cast is acknowledged.

The first line names the annotator and the study. Each further line is a vote on an example, which replaces an earlier
one, or takes it back. A line without a line feed at its end was cut by a kill or a full disk before it was
acknowledged: it does not count, and the next vote is written in its place.
"""

from __future__ import annotations

import json
import os
import re
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gill_bench.analysis.annotation.study import SAME, Study
from gill_bench.errors import InputError
from gill_bench.rundir.lock import RunLock
from gill_bench.storage.digests import digest
from gill_bench.storage.files import sync_folder
from gill_bench.storage.json import to_json
from gill_bench.storage.reading import has_controls, read_bytes, shorten

VOTES = "votes"
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class HumanVote:
    """The answers of one annotator about one pair of pictures.

    Attributes:
        example: The example's id.
        relevance: The side whose picture is more relevant to the text, or "same".
        realism: The side whose picture is more realistic, or "same".
        left: The side whose picture was shown on the left.
        at: When the vote was cast, in ISO 8601.
    """

    example: str
    relevance: str
    realism: str
    left: str
    at: str = ""


Votes = Mapping[str, Mapping[str, HumanVote]]
"""The votes by annotator and example, both in the order of their names."""


def annotator_name(text: object) -> str:
    """The name of an annotator, without spaces at its ends.

    Raises:
        InputError: The value is no text, is empty or too long, or has control characters.
    """
    name = unicodedata.normalize("NFC", " ".join(text.split())) if isinstance(text, str) else ""
    encodable = all(not 0xD800 <= ord(character) <= 0xDFFF for character in name)
    if not name or len(name) > LONGEST_NAME or has_controls(name) or not encodable:
        raise InputError(
            f"the name of an annotator: expected 1 to {LONGEST_NAME} characters without control characters"
        )
    return name


def vote_of(raw: Mapping[str, Any], study: Study) -> HumanVote:
    """A vote by the names of sides; raises `ValueError` if it is on no example of the study, or names no side of it."""
    vote = HumanVote(raw["example"], raw["relevance"], raw["realism"], raw["left"], raw.get("at", ""))
    names = {side.name for side in study.sides}
    if vote.example not in study.examples:
        raise ValueError(f"no example {shorten(repr(vote.example))}")
    for name in ("relevance", "realism", "left"):
        value = getattr(vote, name)
        if value not in names and (name == "left" or value != SAME):
            raise ValueError(f"{name}: {shorten(repr(value))} is none of {', '.join(sorted(names))}, {SAME}")
    if not isinstance(vote.at, str):
        raise ValueError("at: expected a text")
    return vote


class VoteBook:
    """The votes of a study, kept by one process at a time; threads may call it at once.

    Args:
        folder: The folder of the study.
        study: The study.

    Raises:
        InputError: A file of votes is damaged, or of another study.
    """

    def __init__(self, folder: Path, study: Study) -> None:
        self._folder, self._study = folder / VOTES, study
        self._lock = threading.Lock()
        self._votes = {name: dict(votes) for name, votes in read_votes(folder, study).items()}

    def votes(self, annotator: str) -> list[HumanVote]:
        """The votes of an annotator, the earliest first."""
        with self._lock:
            return list(self._votes.get(annotator, {}).values())

    def keep(self, annotator: str, votes: Sequence[HumanVote]) -> None:
        """Keep votes; they are on disk when the function returns."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        timed = [vote if vote.at else replace(vote, at=now) for vote in votes]
        with self._lock:
            self._append(annotator, [asdict(vote) for vote in timed])
            known = self._votes.setdefault(annotator, {})
            for vote in timed:
                known.pop(vote.example, None)
                known[vote.example] = vote

    def take_back(self, annotator: str, example: str) -> None:
        """Take back the vote on an example, if there is one."""
        with self._lock:
            if example in self._votes.get(annotator, {}):
                self._append(annotator, [{"example": example, "taken_back": True}])
                del self._votes[annotator][example]

    def _append(self, annotator: str, entries: Sequence[Mapping[str, Any]]) -> None:
        self._folder.mkdir(exist_ok=True)
        file = self._folder / file_name_of(annotator)
        with file.open("a+b") as opened:
            opened.seek(0)
            content = opened.read()
            whole = content.rfind(b"\n") + 1
            opened.truncate(whole)
            header = [] if whole else [{"annotator": annotator, "study": self._study.digest}]
            try:
                opened.write(b"".join(f"{to_json(entry)}\n".encode() for entry in [*header, *entries]))
                opened.flush()
                os.fsync(opened.fileno())
            except OSError:
                opened.truncate(whole)  # the vote is not acknowledged, and so it must not count
                raise
        if not whole:
            sync_folder(self._folder)


def file_name_of(annotator: str) -> str:
    """The name of an annotator's file, whatever characters the annotator's name has.

    >>> file_name_of("../../Zoë")
    'Zo-d71e1b95.jsonl'
    """
    letters = re.sub(r"[^A-Za-z0-9_]+", "-", annotator).strip("-")[:40] or "annotator"
    return f"{letters}-{digest(annotator)[:8]}.jsonl"


def read_votes(folder: Path, study: Study) -> dict[str, dict[str, HumanVote]]:
    """The votes of all annotators, by annotator and example; those of one in the order in which they were cast.

    Raises:
        InputError: A file is damaged, or of another study.
    """
    votes: dict[str, dict[str, HumanVote]] = {}
    for file in sorted((folder / VOTES).glob("*.jsonl")):
        lines = list(_lines(file))
        if not lines:
            continue
        with _where(file, 1):
            annotator, digest_of_votes = annotator_name(lines[0]["annotator"]), lines[0]["study"]
        if digest_of_votes != study.digest:
            raise InputError(f"{file}, line 1: votes on another study, with other pictures; keep them apart")
        if annotator in votes:
            raise InputError(f"{file}, line 1: a second file of {annotator!r}; keep one of the two")
        known = votes.setdefault(annotator, {})
        for number, entry in enumerate(lines[1:], start=2):
            with _where(file, number):
                known.pop(entry["example"], None)
                if entry.get("taken_back") is not True:
                    vote = vote_of(entry, study)
                    known[vote.example] = vote
    return dict(sorted(votes.items()))


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    content = read_bytes(file)
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        with _where(file, number):
            entry = json.loads(line)
            if not isinstance(entry, dict):
                raise ValueError("expected an object")
        yield entry


@contextmanager
def _where(file: Path, number: int) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{file}, line {number}: no vote ({shorten(reason, 120)}); mend or remove the line") from error


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of a study's folder, so that no other process appends votes meanwhile.

    Raises:
        InputError: Another process has it.
    """
    with RunLock(folder) as lock, lock.unit(digest(VOTES), wait=False) as held:
        if not held:
            raise InputError(
                f"{folder}: another gill-bench annotate keeps votes there; several annotators use one page"
            )
        yield
