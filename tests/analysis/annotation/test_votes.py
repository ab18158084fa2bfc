"""Votes on disk: nothing that was acknowledged is lost, whatever was cut; names stay in their folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gill_bench.analysis.annotation.study import Study
from gill_bench.analysis.annotation.votes import VoteBook, annotator_name, file_name_of, only_writer, read_votes
from gill_bench.errors import InputError
from tests.support.annotation import pairs, vote


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return pairs(tmp_path).study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "votes"


def test_the_last_vote_counts_and_one_that_was_taken_back_does_not(study: Study, folder: Path) -> None:
    book = VoteBook(folder, study)
    book.keep("Ann", [vote(0, "generated"), vote(1, "retrieved")])
    book.keep("Ann", [vote(0, "same")])
    book.take_back("Ann", "1")
    book.take_back("Ann", "7")
    book.keep("Bo", [vote(3, "generated", "retrieved", left="retrieved")])
    assert book.votes("Ann") == [vote(0, "same")]
    votes = read_votes(folder, study)
    assert votes == {"Ann": {"0": vote(0, "same")}, "Bo": {"3": vote(3, "generated", "retrieved", left="retrieved")}}
    assert VoteBook(folder, study).votes("Ann") == book.votes("Ann")
    lines = [json.loads(line) for line in (folder / "votes" / file_name_of("Ann")).read_text().splitlines()]
    assert lines[0] == {"annotator": "Ann", "study": study.digest}
    assert len(lines) == 5


def test_a_vote_cut_at_any_byte_is_not_there_and_the_others_are(study: Study, folder: Path) -> None:
    VoteBook(folder, study).keep("Ann", [vote(0, "generated"), vote(1, "retrieved")])
    file = folder / "votes" / file_name_of("Ann")
    whole = file.read_bytes()
    ends = [end for end in range(len(whole) + 1) if whole[:end].endswith(b"\n")]
    for length in range(len(whole) + 1):
        file.write_bytes(whole[:length])
        complete = sum(end <= length for end in ends)
        assert len(read_votes(folder, study).get("Ann", {})) == max(0, complete - 1)
    for length, kept in ((5, 0), (ends[0] + 5, 0), (ends[1] + 5, 1)):
        file.write_bytes(whole[:length])
        VoteBook(folder, study).keep("Ann", [vote(2, "same")])
        assert list(read_votes(folder, study)["Ann"]) == [*"01"[:kept], "2"]
        assert file.read_bytes().startswith(whole[: ends[kept]])


def test_a_vote_that_cannot_be_written_leaves_no_trace(
    study: Study, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = VoteBook(folder, study)
    book.keep("Ann", [vote(0, "generated")])
    before = (folder / "votes" / file_name_of("Ann")).read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            book.keep("Ann", [vote(1, "generated")])
    assert book.votes("Ann") == [vote(0, "generated")]
    assert (folder / "votes" / file_name_of("Ann")).read_bytes() == before


def test_names_stay_in_the_folder_and_apart() -> None:
    names = [
        "../../etc/passwd",
        "..",
        "/",
        "a/b",
        "a\\b",
        "C:x",
        "Ann",
        "ann",
        "Zoë",
        "Zoe",
        "名前",
        "x" * 80,
        ".hidden",
    ]
    files = {file_name_of(name) for name in names}
    assert len({file.lower() for file in files}) == len(names)
    assert all(len(file) < 60 and Path(file).name == file and not file.startswith(".") for file in files)
    assert annotator_name("  Ann \t Lee ") == "Ann Lee"
    assert annotator_name("Zoe\u0308") == "Zoë"
    for wrong in ("", "  ", "x" * 81, "a\x1b[2J", "a\ud800", 5, None):
        with pytest.raises(InputError, match="the name of an annotator: expected 1 to 80 characters"):
            annotator_name(wrong)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "Expecting property name"),
        ("[]", "expected an object"),
        ('{"example": "99", "relevance": "same", "realism": "same", "left": "generated"}', "no example '99'"),
        ('{"example": "0", "relevance": "best", "realism": "same", "left": "generated"}', "relevance: 'best' is none"),
        ('{"example": "0", "relevance": "same", "realism": "same", "left": "same"}', "left: 'same' is none"),
        ('{"example": "0", "relevance": "same"}', "no 'realism'"),
    ],
)
def test_a_damaged_line_is_named(study: Study, folder: Path, line: str, reason: str) -> None:
    VoteBook(folder, study).keep("Ann", [vote(0, "generated")])
    file = folder / "votes" / file_name_of("Ann")
    file.write_text(f"{file.read_text()}{line}\n")
    with pytest.raises(InputError) as error:
        read_votes(folder, study)
    assert str(error.value).startswith(f"{file}, line 3: no vote (")
    assert reason in str(error.value)


def test_files_of_another_study_and_a_second_of_one_annotator_are_refused(study: Study, folder: Path) -> None:
    VoteBook(folder, study).keep("Ann", [vote(0, "generated")])
    file = folder / "votes" / file_name_of("Ann")
    (folder / "votes" / "copy.jsonl").write_bytes(file.read_bytes())
    with pytest.raises(InputError, match="line 1: a second file of 'Ann'"):
        read_votes(folder, study)
    (folder / "votes" / "copy.jsonl").unlink()
    file.write_text(file.read_text().replace(study.digest, "0" * 64))
    with pytest.raises(InputError, match="line 1: votes on another study"):
        read_votes(folder, study)


def test_only_one_process_keeps_the_votes_of_a_study(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gill_bench.analysis.annotation.votes import only_writer\n"
        "with only_writer(Path(sys.argv[1])): pass"
    )
    with only_writer(tmp_path):
        second = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=300)
    assert second.returncode == 1
    assert "another gill-bench annotate keeps votes there" in second.stderr
    with only_writer(tmp_path):
        pass
