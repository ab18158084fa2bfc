"""The SIS reader: contexts, order, layouts, and every way in which the files can be wrong."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.datasets import Example, Picture, Turn
from gill_bench.datasets.contexts import CaptionContext
from gill_bench.datasets.sis import context, load
from gill_bench.errors import InputError

FIVE = Example(
    "s",
    "p",
    tuple(Turn(f"c{n}", Picture(f"i{n}", None)) for n in range(1, 6)),
    Picture("i5", None),
)


def shown(name: str, join: str = "space") -> list[str]:
    return [part if isinstance(part, str) else part.id for part in context(name).segments(FIVE, {"caption_join": join})]


def test_contexts_of_the_paper_show_its_captions_and_pictures() -> None:
    assert shown("1-caption") == ["c5"]
    assert shown("5-captions") == ["c1 c2 c3 c4 c5"]
    assert shown("5-captions", "segments") == ["c1", "c2", "c3", "c4", "c5"]
    assert shown("5-captions-4-images") == ["c1", "i1", "c2", "i2", "c3", "i3", "c4", "i4", "c5"]


def test_smaller_contexts_show_the_last_captions_and_pictures() -> None:
    assert shown("2-captions-1-image") == ["c4", "i4", "c5"]
    assert shown("3-captions") == ["c3 c4 c5"]
    assert shown("4-captions-1-image") == ["c2 c3 c4", "i4", "c5"]


@given(st.integers(1, 5), st.integers(0, 4))
def test_names_of_contexts_are_canonical(captions: int, images: int) -> None:
    if images >= captions:
        return
    caption_context = CaptionContext(captions, images)
    assert context(caption_context.name) == caption_context
    assert context(f"{captions}-captions" + (f"-{images}-images" if images else "")) == caption_context
    parts = caption_context.segments(FIVE, {"caption_join": "segments"})
    assert sum(not isinstance(part, str) for part in parts) == images
    assert parts[-1] == "c5"
    assert Picture("i5", None) not in parts


@pytest.mark.parametrize(
    "name", ["6-captions", "0-captions", "2-captions-2-images", "five-captions", "5-caption-4", ""]
)
def test_unknown_contexts_of_stories_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="context"):
        context(name)


def test_a_typo_in_a_context_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean '5-captions-4-images'"):
        context("5-captions-4-imgaes")


def test_the_published_slice_of_vist_is_read(real_data: Path) -> None:
    stories = load(real_data / "vist", "test", {}).examples
    assert len(stories) == 91
    assert len({story.cluster for story in stories}) == 27
    assert len({story.target for story in stories}) == 27
    assert all(picture.file is not None for story in stories for picture in story.pictures)
    candidates = load(real_data / "vist", "test", {}).candidates
    assert len(candidates) == len({picture.id for picture in candidates}) == 135
    assert stories[0].turns[4].text == "in the last scene one of the husbands approached the wives ."


def sis_file(vist: Path) -> Path:
    return vist / "sis" / "test.story-in-sequence.json"


def edit(vist: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = sis_file(vist)
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def test_sentences_are_ordered_by_their_place_not_by_the_file(vist: Path) -> None:
    before = load(vist, "test", {}).examples
    edit(vist, lambda content: content["annotations"].__setitem__(slice(0, 5), content["annotations"][4::-1]))
    assert load(vist, "test", {}).examples[0] == before[0]


@pytest.mark.parametrize("layout", ["images/test", "images", "test", "."])
def test_pictures_of_vist_are_found_in_every_layout(vist: Path, layout: str) -> None:
    moved = vist.parent / "moved"
    shutil.copytree(vist / "sis", moved / "sis")
    (moved / layout).mkdir(parents=True, exist_ok=True)
    for file in (vist / "images" / "test").iterdir():
        shutil.copy(file, moved / layout / f"{file.stem}.JPG" if layout == "test" else moved / layout / file.name)
    stories = load(moved, "test", {}).examples
    assert all(picture.file is not None for story in stories for picture in story.pictures)


def test_candidates_are_all_pictures_in_the_order_in_which_they_appear(vist: Path) -> None:
    data = load(vist, "test", {})
    assert [picture.id for picture in data.candidates] == [str(number) for number in range(100000, 100080)]
    (vist / "images" / "test" / "100003.png").unlink()
    edit(vist, lambda content: content["annotations"].__setitem__(slice(0, 5), content["annotations"][4::-1]))
    edit(vist, lambda content: content["annotations"].reverse())
    candidates = load(vist, "test", {}).candidates
    assert len(candidates) == 80
    assert [picture.id for picture in candidates[:6]] == ["100075", "100076", "100077", "100078", "100079", "100070"]
    assert [picture.id for picture in candidates if picture.file is None] == ["100003"]


def test_the_file_may_lie_directly_in_the_folder(vist: Path) -> None:
    shutil.move(sis_file(vist), vist / "test.story-in-sequence.json")
    assert len(load(vist, "test", {}).examples) == 32


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "four sentences": (lambda c: c["annotations"].pop(4), r"story_id '1024': 4 sentences, expected 5"),
    "two equal storylet ids": (
        lambda c: c["annotations"][7][0].update(storylet_id=c["annotations"][2][0]["storylet_id"]),
        r"annotations\[7\]\[0\].storylet_id: '10242' is also that of annotations\[2\]",
    ),
    "a field is missing": (
        lambda c: c["annotations"][3][0].pop("text"),
        r"annotations\[3\]\[0\].text: the field is missing",
    ),
    "a place is text": (
        lambda c: c["annotations"][3][0].update(worker_arranged_photo_order="3"),
        r"annotations\[3\]\[0\].worker_arranged_photo_order: expected an integer, found '3'",
    ),
    "a place is taken twice": (
        lambda c: c["annotations"][3][0].update(worker_arranged_photo_order=2),
        r"story_id '1024': worker_arranged_photo_order \[0, 1, 2, 2, 4\], expected each place from 0 to 4 once",
    ),
    "a place that is none": (
        lambda c: c["annotations"][3][0].update(worker_arranged_photo_order=77),
        r"story_id '1024': worker_arranged_photo_order \[0, 1, 2, 4, 77\], expected",
    ),
    "half of a surrogate pair": (
        lambda c: c["annotations"][3][0].update(text="a \ud800"),
        r"annotations\[3\]\[0\].text: half of a surrogate pair",
    ),
    "a caption of blanks": (lambda c: c["annotations"][3][0].update(text="  "), r"text: expected text, found '  '"),
    "not a list of lists": (lambda c: c["annotations"].__setitem__(0, {}), r"annotations\[0\]: expected a list of one"),
    "no annotations": (lambda c: c.pop("annotations"), r"key 'annotations': expected a list"),
    "empty": (lambda c: c["annotations"].clear(), r"annotations: the list is empty"),
}


@pytest.mark.parametrize("name", WRONG)
def test_malformed_files_are_named_with_record_and_field(vist: Path, name: str) -> None:
    change, message = WRONG[name]
    edit(vist, change)
    with pytest.raises(InputError, match=message) as caught:
        load(vist, "test", {})
    assert str(sis_file(vist)) in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_vist_file_cut_in_the_middle_is_refused(vist: Path) -> None:
    file = sis_file(vist)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match=r"line 1, column \d+: .*cut or damaged"):
        load(vist, "test", {})


def test_another_split_of_vist_is_offered(vist: Path) -> None:
    with pytest.raises(InputError, match="there is test, val: choose with --split"):
        load(vist, "train", {})


def test_an_empty_folder_says_what_to_download(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no sis/val.story-in-sequence.json; download"):
        load(tmp_path, "val", {})
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "nowhere", "val", {})


def test_vist_without_any_picture_is_refused(vist: Path) -> None:
    shutil.rmtree(vist / "images")
    with pytest.raises(InputError, match="no pictures of split 'test'; looked in"):
        load(vist, "test", {})


def test_a_byte_order_mark_in_a_vist_file_does_no_harm(vist: Path) -> None:
    file = sis_file(vist)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert len(load(vist, "test", {}).examples) == 32


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"annotations": [], "annotations": []}', "has the key 'annotations' twice"),
        ("[" * 200_000, "nested too deeply"),
        ("[]", "expected a JSON object at the top, found list"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
    ],
)
def test_hostile_json_is_refused(vist: Path, content: str | bytes, message: str) -> None:
    sis_file(vist).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message):
        load(vist, "test", {})


def test_a_folder_in_the_place_of_a_vist_file_is_refused(vist: Path) -> None:
    sis_file(vist).unlink()
    sis_file(vist).mkdir()
    with pytest.raises(InputError, match="cannot be read: a folder, where a file is expected"):
        load(vist, "test", {})


def test_a_pipe_in_the_place_of_a_vist_file_is_refused(vist: Path) -> None:
    sis_file(vist).unlink()
    os.mkfifo(sis_file(vist))
    with pytest.raises(InputError, match="cannot be read: a named pipe"):
        load(vist, "test", {})
