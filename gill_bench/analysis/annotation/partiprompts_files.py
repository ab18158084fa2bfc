"""Votes as the files that the authors of GILL released, which the task `partiprompts` reads (protocol 3.11)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gill_bench.analysis.annotation.study import GENERATED, RETRIEVED, SAME, Study, StudyItem
from gill_bench.analysis.annotation.tally import answers
from gill_bench.analysis.annotation.votes import Votes
from gill_bench.datasets.partiprompts import FILES, HEADER, LABELS, label_of
from gill_bench.errors import InputError
from gill_bench.storage.files import write_atomic

_QUESTION_OF = {"alignment": "relevance", "realism": "realism"}
_WORDS = {GENERATED: "gen", RETRIEVED: "ret"}


def write_partiprompts_files(folder: Path, study: Study, votes: Votes) -> list[Path]:
    """Write the lists of votes on relevance ("alignment") and realism, and the labels of the first.

    A row is an example with at least one vote, in the order of the data. Its votes are in the order of the annotators'
    names; an annotator who has not voted on it has no vote in the row.

    Args:
        folder: The folder, which is made.
        study: A study whose one side was retrieved and whose other was generated.
        votes: The votes.

    Returns:
        The files that were written.

    Raises:
        InputError: Both sides were generated, or both retrieved; there is no vote; a file of another content is there;
            or the folder cannot be written.
    """
    words = {side.name: _WORDS[side.kind] for side in study.sides} | {SAME: "same"}
    if sorted(words.values()) != ["gen", "ret", "same"]:
        kinds = " and ".join(f"{side.name} ({side.kind})" for side in study.sides)
        raise InputError(
            f"the released files ask whether to retrieve or to generate, and these votes are on {kinds};"
            " the preference between them: gill-bench compare A B --human"
        )
    contents: dict[str, list[str]] = {}
    for kind, name in FILES.items():
        by_example = answers(study, votes, _QUESTION_OF[kind])
        rows = [
            (item, [words[answer] for answer in by_example[item.example]])
            for item in study.items
            if item.example in by_example
        ]
        if not rows:
            raise InputError("nobody has voted yet: there is nothing to export")
        contents[name] = [HEADER, *(_row(item, ",".join(cast)) for item, cast in rows)]
        if kind == "alignment":
            header = HEADER.removesuffix("s")
            contents[LABELS] = [header, *(_row(item, label_of(cast)) for item, cast in rows)]
    return _write(folder, contents)


def _row(item: StudyItem, last: str) -> str:
    texts = [part for part in item.prompt if isinstance(part, str)]
    fields = [" ".join(texts), *(item.facts.get(name, "") for name in ("category", "challenge", "note")), last]
    return "\t".join(
        re.sub(r"\s+", " ", field).strip() if "\t" in field or "\n" in field else field for field in fields
    )


def _write(folder: Path, contents: Mapping[str, Sequence[str]]) -> list[Path]:
    encoded = {folder / name: ("\n".join(lines) + "\n").encode() for name, lines in contents.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, content in encoded.items():
            if file.exists() and file.read_bytes() != content:
                raise InputError(f"{file}: there already, with other votes; name another folder with --export")
        for file, content in encoded.items():
            write_atomic(file, content)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); name another with --export") from error
    return list(encoded)
