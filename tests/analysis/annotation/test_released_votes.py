"""The votes that the authors released, as a study: how far five annotators agreed, and the same files again."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.analysis.annotation.partiprompts_files import write_partiprompts_files
from gill_bench.analysis.annotation.study import Study, StudyItem, StudySide
from gill_bench.analysis.annotation.tally import tally
from gill_bench.analysis.annotation.votes import HumanVote
from gill_bench.datasets.files import read_lines
from gill_bench.datasets.partiprompts import FILES, prompts
from gill_bench.datasets.tables import read_table

SIDES = {"gen": "generated", "ret": "retrieved", "same": "same"}


def test_released_votes_are_exported_as_they_were(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "partiprompts"
    if not all((folder / name).is_file() for name in FILES.values()):
        pytest.skip("real test data: no released votes")
    cast = {kind: [row[4].split(",") for row in read_table(folder / name)[1:]] for kind, name in FILES.items()}
    # A vote here answers both questions: the two rows in which an answer is missing are left out.
    whole = [
        number for number, votes in enumerate(cast["alignment"]) if len(votes) == len(cast["realism"][number]) == 5
    ]
    examples = prompts(folder)
    items = [
        StudyItem(example.id, example.id, (example.turns[0].text,), example.facts, ("", ""))
        for example in (examples[number] for number in whole)
    ]
    sides = StudySide("retrieved", "retrieved"), StudySide("generated", "generated")
    study = Study("partiprompts", "", 0, sides, tuple(items))
    votes = {
        f"annotator {position}": {
            str(number): HumanVote(
                str(number),
                SIDES[cast["alignment"][number][position]],
                SIDES[cast["realism"][number][position]],
                "generated",
            )
            for number in whole
        }
        for position in range(5)
    }
    assert len(whole) == 1630
    relevance, realism = tally(study, votes).questions
    assert (round(relevance.alpha or 0, 3), round(relevance.four_of_five or 0, 3)) == (0.108, 0.346)
    assert (round(realism.alpha or 0, 3), round(realism.four_of_five or 0, 3)) == (0.051, 0.261)
    write_partiprompts_files(tmp_path, study, votes)
    for name in FILES.values():
        released = read_lines(folder / name)
        assert read_lines(tmp_path / name) == [released[0], *(released[number + 1] for number in whole)]
