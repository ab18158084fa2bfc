"""The check of a task's data: complete, with gaps, damaged, and in the wrong place."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gill_bench.cards.find import Cards, TaskCard
from gill_bench.checks.data import DataCheck, check_data
from gill_bench.checks.downloads import find_downloads
from gill_bench.errors import InputError
from gill_bench.planning.plan import make_plan
from gill_bench.planning.resolve import open_task, resolve_task
from gill_bench.planning.resolved import data_folder
from tests.support import small_data as small
from tests.support.runs import run_request

TASKS = sorted(card.name for card in Cards().tasks())
SIS = "sis/test.story-in-sequence.json"


def card_of(name: str) -> TaskCard:
    return Cards().task(name)


def checked(name: str, data: Path | str, split: str | None = None, **settings: Any) -> DataCheck:
    return check_data(card_of(name), data=str(data), split=split, settings=settings)


def pictures_in(folder: Path) -> None:
    """Put real pictures, each another, in place of a small data set's empty files."""
    for number, file in enumerate(sorted(folder.rglob("*.jpg"))):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(file)


@pytest.mark.parametrize("name", TASKS)
def test_the_mini_world_is_complete(name: str) -> None:
    taken = checked(name, "mini")
    assert (taken.state, taken.problem) == ("complete", "")
    assert taken.downloads
    assert all(download.state == "there" for download in taken.downloads)
    assert set((taken.usable or {}).values()) == {taken.examples}
    assert taken.repeated == ()


@pytest.mark.parametrize("name", TASKS)
def test_an_empty_folder_says_what_goes_where_and_what_is_put_there_is_found(name: str, tmp_path: Path) -> None:
    taken = checked(name, tmp_path)
    assert taken.state == "unusable"
    for download in taken.downloads:
        assert download.state == "missing"
        assert download.url.startswith("http")
        assert "{" not in f"{download.what}{download.url}{download.expected}{download.size}"
        assert download.expected.is_relative_to(tmp_path)
        if download.pictures:
            small.touch(download.expected, ["1.jpg"])
        else:
            small.touch(download.expected.parent, [download.expected.name])
    card = resolve_task(card_of(name), data=str(tmp_path), split=None, settings={})
    assert [download.path for download in find_downloads(card, str(tmp_path), card.data.split)] == [
        download.expected for download in taken.downloads
    ]
    assert data_folder(card, str(tmp_path)) == tmp_path / card.data.folder


@pytest.mark.parametrize("folder", ["images", "test", "."])
def test_pictures_in_the_readers_other_places_are_there(vist: Path, folder: str) -> None:
    shutil.move(vist / "images" / "test", vist / "moved")
    (vist / "images").rmdir()
    (vist / folder).mkdir(exist_ok=True)
    for file in (vist / "moved").iterdir():
        file.rename(vist / folder / file.name)
    taken = checked("vist", vist, "test")
    assert taken.state == "complete"
    assert taken.downloads[1].path == vist / folder


def test_the_folder_given_is_that_of_all_data_or_of_one(vist: Path) -> None:
    whole, own = checked("vist", vist.parent, "test"), checked("vist", vist, "test")
    assert whole.downloads == own.downloads
    assert whole.state == own.state == "complete"


def test_missing_pictures_are_counted_and_the_rest_is_usable(vist: Path) -> None:
    (vist / "images/test/100004.png").unlink()  # the last of the first sequence, of two stories
    taken = checked("vist", vist, "test")
    assert taken.state == "incomplete"
    assert [download.state for download in taken.downloads] == ["there", "incomplete"]
    assert taken.downloads[1].lacking == 1
    assert taken.examples == 32
    assert set((taken.usable or {}).values()) == {30}
    count = (taken.pictures or {})["examples"]
    assert (count.total, count.there, count.missing, count.broken) == (80, 79, ("100004",), ())


def test_contexts_differ_in_what_is_usable_where_they_differ_in_what_they_need(vist: Path) -> None:
    (vist / "images/test/100000.png").unlink()
    taken = checked("vist", vist, "test", stories="context")
    assert taken.usable is not None
    assert (taken.usable["1-caption"], taken.usable["5-captions-4-images"]) == (32, 30)


def test_a_broken_picture_is_named_and_stops_a_run_where_the_card_says_so(vist: Path) -> None:
    bad = vist / "images/test/100004.png"
    bad.write_bytes(bad.read_bytes()[:60])
    taken = checked("vist", vist, "test")
    assert (taken.state, taken.refuses_broken) == ("incomplete", True)
    (broken,) = (taken.pictures or {})["examples"].broken
    assert (broken.id, broken.file) == ("100004", bad)
    assert "damaged" in broken.reason
    resolved = resolve_task(card_of("vist"), data=str(vist), split="test", settings={})
    with pytest.raises(InputError, match=r"1 of 80 pictures cannot be read: .*100004\.png"):
        open_task(resolved, data=str(vist), limit=0, metric_weights="mini")
    assert not checked("vist", vist, "test", unreadable="count").refuses_broken


def test_pictures_with_the_same_content_are_named(vist: Path) -> None:
    shutil.copy(vist / "images/test/100000.png", vist / "images/test/100007.png")
    taken = checked("vist", vist, "test")
    assert taken.state == "complete"
    assert taken.repeated == (("100000", "100007"),)
    assert "2 pictures share their content" in taken.warnings[0]


@pytest.mark.parametrize("cut", [0, 1, 500])
def test_a_truncated_annotation_file_is_the_readers_own_message(vist: Path, cut: int) -> None:
    file = vist / SIS
    file.write_bytes(file.read_bytes()[:cut])
    taken = checked("vist", vist, "test")
    assert taken.state == "unusable"
    assert str(file) in taken.problem
    assert (taken.examples, taken.pictures) == (0, None)
    assert [download.state for download in taken.downloads] == ["there", "there"]


def test_data_that_a_run_refuses_are_unusable(vist: Path, tmp_path: Path) -> None:
    for file in sorted((vist / "images/test").iterdir())[4::5]:  # the target of every story
        file.unlink()
    taken = checked("vist", vist, "test")
    assert taken.state == "unusable"
    assert "none of the 32 examples can be asked; example 1024: picture 100004" in taken.problem
    with pytest.raises(InputError, match="none of the 32 examples"):
        make_plan(run_request(tmp_path / "run", data=str(vist)))


def test_too_few_pictures_for_fid_are_said_before_anything_runs(tmp_path: Path) -> None:
    pictures_in(small.write_coco(tmp_path / "coco"))
    taken = checked("coco-fid", tmp_path)
    assert taken.state == "unusable"
    assert "2048" in taken.problem
    assert {name: (count.total, count.there) for name, count in (taken.pictures or {}).items()} == {
        "examples": (3, 2),
        "references": (3, 2),
    }
    assert checked("coco-fid", tmp_path, min_samples=2).state == "incomplete"


def test_candidates_are_counted_where_they_are_searched(vist: Path) -> None:
    (vist / "images/test/100000.png").unlink()
    counts = checked("vist-retrieval", vist, "test").pictures or {}
    assert {name: (count.total, count.there) for name, count in counts.items()} == {
        "examples": (80, 79),
        "candidates": (80, 79),
    }


def test_without_candidates_contexts_that_search_are_named_and_data_are_complete(tmp_path: Path) -> None:
    small.write_partiprompts(tmp_path / "partiprompts")
    taken = checked("partiprompts", tmp_path, train=1)
    assert taken.state == "complete"
    assert (taken.usable or {})["heuristic"] == 0
    assert taken.warnings == ("no candidate pictures are named for heuristic: --set partiprompts.candidates=FOLDER",)


def hints(name: str, data: Path, split: str | None = None) -> list[str]:
    return [download.hint for download in checked(name, data, split).downloads]


def test_hints_where_files_lie_in_another_place_packed_or_renamed(tmp_path: Path) -> None:
    folder = small.write_vqa(tmp_path / "vqav2")
    moved = folder / "slice" / small.QUESTIONS
    moved.parent.mkdir()
    (folder / small.QUESTIONS).rename(moved)
    (folder / small.ANNOTATIONS).unlink()
    small.touch(folder, ["v2_Annotations_Val_mscoco.zip"])
    assert hints("vqav2", tmp_path) == [
        f"{moved} has the right name: move it to that place",
        f"{folder / 'v2_Annotations_Val_mscoco.zip'} has to be unpacked",
        "",
    ]
    other = moved.rename(moved.with_name(small.QUESTIONS.replace("val2014", "train2014")))
    assert hints("vqav2", tmp_path)[0] == f"{other} is of another split (choose it with --split), or has to be renamed"


def test_hint_where_the_folder_has_another_name(tmp_path: Path) -> None:
    small.write_vqa(tmp_path / "vqa")
    taken = checked("vqav2", tmp_path)
    assert taken.downloads[0].expected == tmp_path / "vqav2" / small.QUESTIONS
    assert taken.downloads[0].hint.startswith(f"{tmp_path / 'vqa' / small.QUESTIONS} has the right name")


def test_hint_where_pictures_are_those_of_another_split(vist: Path) -> None:
    (vist / "sis/val.story-in-sequence.json").unlink()
    assert f"pictures are in {vist / 'images/test'}/" in hints("vist", vist)[1]


def test_sizes_of_the_usual_split_are_said_to_be_such(tmp_path: Path) -> None:
    assert checked("coco-captions", tmp_path).downloads[1].size == "0.8 GB"
    other = checked("coco-captions", tmp_path, "train2017").downloads[1]
    assert (other.url[-13:], other.size) == ("train2017.zip", "0.8 GB for val2017")


def test_wrong_settings_of_a_data_check_are_refused(vist: Path) -> None:
    with pytest.raises(InputError, match="unknown setting"):
        checked("vist", vist, "test", storie="context")


def test_json_holds_the_whole_data_check(vist: Path) -> None:
    (vist / "images/test/100004.png").write_bytes(b"no picture")
    (vist / "images/test/100003.png").unlink()
    report = json.loads(json.dumps(checked("vist", vist, "test").as_json()))
    assert report["pictures"]["examples"] == {
        "total": 80,
        "there": 78,
        "missing": ["100003"],
        "broken": [
            {
                "id": "100004",
                "file": str(vist / "images/test/100004.png"),
                "reason": "not a picture that PIL can read, of the formats in use",
            }
        ],
    }


def test_the_published_slices_have_the_states_that_they_have(real_data: Path) -> None:
    stories = checked("vist", real_data, "test")
    assert (stories.state, stories.examples) == ("complete", 91)
    assert (stories.pictures or {})["examples"].total == 135
    captions = checked("coco-captions", real_data, unreadable="count")
    assert captions.state == "incomplete"
    assert (captions.examples, captions.usable, captions.downloads[1].lacking) == (5000, {"caption": 25}, 4975)
    votes = checked("partiprompts", real_data)
    assert (votes.state, votes.examples) == ("complete", 911)
    dialogs = checked("visdial-answers", real_data)
    assert [download.state for download in dialogs.downloads] == ["there", "there", "missing"]
    assert dialogs.state == "unusable"
    assert "VisualDialog_val2018_<image id, 12 digits>.jpg" in dialogs.problem


def test_questions_in_a_folder_of_their_own_get_a_hint(real_data: Path) -> None:
    taken = checked("vqav2", real_data, "train2014")
    assert taken.state == "unusable"
    assert [download.expected.parent.name for download in taken.downloads[:2]] == ["vqav2", "vqav2"]
    assert all("has the right name: move it" in download.hint for download in taken.downloads[:2])
