"""What annotators are asked: the pairs of pictures, their hidden names, and the study that is found again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from gill_bench.analysis.annotation.from_folder import material_of_folder
from gill_bench.analysis.annotation.study import (
    STUDY,
    StudyItem,
    find_study,
    open_study,
    read_study,
    studies_in,
    study_folder,
)
from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.planning.resolve import resolve_task
from tests.support.annotation import PROMPTS, pairs, prompts_and_pictures


def items_of(folder: Path) -> list[StudyItem]:
    """The items of pictures that are there already."""
    card = resolve_task(Cards().task("partiprompts"), data=str(folder / "data"), split=None, settings={})
    return list(material_of_folder(folder / "pictures", card, str(folder / "data"), ()).study.items)


def test_a_study_of_two_folders_is_kept_and_read_again(tmp_path: Path) -> None:
    material = pairs(tmp_path)
    study = read_study(tmp_path / "votes")
    assert study == material.study
    assert [side.name for side in study.sides] == ["generated", "retrieved"]
    assert [side.kind for side in study.sides] == ["generated", "retrieved"]
    assert [item.example for item in study.items] == [str(number) for number in range(PROMPTS)]
    assert study.items[1].prompt == ('the sign says "1"',)
    assert study.items[1].facts == {"category": "Signs", "challenge": "Writing & Symbols", "note": ""}


def test_hidden_names_say_nothing_and_are_of_this_study_alone(tmp_path: Path) -> None:
    study = pairs(tmp_path).study
    names = set(study.sides_by_name)
    assert len(names) == 2 * PROMPTS
    assert study.sides_by_name[study.picture_name("3", 1)] == ("3", "retrieved")
    other = replace(study, secret="0" * 32)
    assert other.digest == study.digest
    assert not names & set(other.sides_by_name)


def test_of_a_study_that_changed_the_first_difference_is_said(tmp_path: Path) -> None:
    material = pairs(tmp_path)
    assert open_study(tmp_path / "votes", replace(material.study, secret="")) == material.study
    fewer = replace(material.study, items=material.study.items[:-1])
    with pytest.raises(InputError, match=r"votes on other pictures: its number of examples is 8, not 7"):
        open_study(tmp_path / "votes", fewer)
    first = replace(material.study.items[0], sha256=("0" * 64, "1" * 64))
    with pytest.raises(InputError, match="example 0 has another text or picture"):
        open_study(tmp_path / "votes", replace(material.study, items=(first, *material.study.items[1:])))


@pytest.mark.parametrize("change", [{"seed": 3}, {"items": [1]}, {"sides": []}, {"secret": 5}])
def test_a_study_that_was_changed_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    pairs(tmp_path)
    file = tmp_path / "votes" / STUDY
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=r"study\.json: (damaged|not as it was written)"):
        read_study(tmp_path / "votes")


def test_the_only_study_of_a_run_is_found(tmp_path: Path) -> None:
    study = pairs(tmp_path).study
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(InputError, match="no votes"):
        find_study(run)
    with pytest.raises(InputError, match="no such folder"):
        find_study(run / "absent")
    first = study_folder(study, run)
    open_study(first, study)
    assert find_study(run) == find_study(run, "partiprompts") == find_study(first) == first
    second = study_folder(replace(study, context="other"), run)
    open_study(second, study)
    assert studies_in(run) == sorted([first, second])
    with pytest.raises(InputError, match=r"several studies: .*choose with --votes DIR"):
        find_study(run)


def test_pictures_that_lack_a_partner_or_cannot_be_read_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, pictures = prompts_and_pictures(tmp_path)
    (pictures / "retrieved" / "2.jpg").unlink()
    (pictures / "generated" / "5.png").write_bytes(b"no picture")
    Image.new("RGB", (4, 4)).save(pictures / "generated" / "stranger.png")
    assert [item.example for item in items_of(tmp_path)] == ["0", "1", "3", "4", "6", "7"]
    said = capsys.readouterr().err
    assert "5.png: not a picture" in said
    assert "2 examples have a picture of one side only" in said


def test_folders_of_which_it_is_unclear_are_refused(tmp_path: Path) -> None:
    _, pictures = prompts_and_pictures(tmp_path)
    (pictures / "same").mkdir()
    Image.new("RGB", (4, 4)).save(pictures / "same" / "0.png")
    with pytest.raises(InputError, match=r"there are 3 \(generated, retrieved, same\); choose with --models A,B"):
        items_of(tmp_path)
