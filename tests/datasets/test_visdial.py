"""The VisDial reader."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gill_bench.datasets.visdial import context, load
from gill_bench.errors import InputError
from tests.support.small_data import linked_folder


@pytest.fixture
def visdial(tmp_path: Path) -> Path:
    """Two dialogs, of which one has its picture."""
    dialogs = [
        {
            "image_id": image,
            "caption": "never shown",
            "dialog": [{"question": number, "answer": 9 - number} for number in range(10)],
        }
        for image in (7, 123456)
    ]
    content = {
        "version": "1.0",
        "split": "val2018",
        "data": {
            "questions": [f"is it {n}" for n in range(10)],
            "answers": [f"no , {n}" for n in range(10)],
            "dialogs": dialogs,
        },
    }
    (tmp_path / "visdial_1.0_val.json").write_text(json.dumps(content))
    (tmp_path / "VisualDialog_val2018").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "VisualDialog_val2018" / "VisualDialog_val2018_000000000007.jpg")
    return tmp_path


def test_the_prompt_is_exactly_as_specified(visdial: Path) -> None:
    first, second = load(visdial, "val", {}).examples
    assert context("2-rounds").segments(first, {}) == ("Q: is it 0?\nA: no , 9\nQ: is it 1?\nA: no , 8",)
    assert context("1-round") == context("1-rounds")
    assert context("10-rounds").segments(first, {})[0] == "\n".join(turn.text for turn in first.turns)
    assert first.target is not None
    assert first.target.file is not None
    assert second.target is not None
    assert second.target.file is None
    assert second.id == "123456"


@pytest.mark.parametrize("name", ["0-rounds", "11-rounds", "rounds", "5-captions"])
def test_unknown_contexts_of_dialogs_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="n from 1 to 10"):
        context(name)


def test_the_published_slice_of_visdial_is_read(real_data: Path, tmp_path: Path) -> None:
    folder = linked_folder(
        real_data / "visdial", tmp_path / "visdial", ["images/VisualDialog_val2018_000000239030.jpg"]
    )
    dialogs = load(folder, "val", {}).examples
    assert len(dialogs) == 97
    assert all(len(dialog.turns) == 10 for dialog in dialogs)
    prompt = context("10-rounds").segments(dialogs[0], {})[0]
    assert isinstance(prompt, str)
    assert prompt.count("Q: ") == prompt.count("A: ") == prompt.count("?\nA: ") == 10
    assert not prompt.endswith("\n")


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "nine rounds": (lambda d: d["dialogs"][1]["dialog"].pop(), r"data.dialogs\[1\].dialog: 9 rounds, expected 10"),
    "no such question": (
        lambda d: d["dialogs"][0]["dialog"][3].update(question=10),
        r"data.dialogs\[0\].dialog\[3\].question: expected a position in data.questions \(0 to 9\), found 10",
    ),
    "a negative place": (lambda d: d["dialogs"][0]["dialog"][3].update(answer=-1), r"dialog\[3\].answer: .*found -1"),
    "two dialogs of a picture": (
        lambda d: d["dialogs"][1].update(image_id=7),
        r"dialogs\[1\].image_id: 7 has a dialog",
    ),
    "an id that is text": (lambda d: d["dialogs"][1].update(image_id="7"), r"image_id: expected an integer, found '7'"),
    "no answers": (lambda d: d.pop("answers"), r"data: key 'answers': expected a list"),
    "no dialogs": (lambda d: d["dialogs"].clear(), r"data.dialogs: the list is empty"),
    "an answer that is a number": (lambda d: d["answers"].__setitem__(9, 4), r"data.answers\[9\] is no text: 4"),
}


@pytest.mark.parametrize("name", WRONG)
def test_malformed_files_are_named_with_record_and_field(visdial: Path, name: str) -> None:
    change, message = WRONG[name]
    file = visdial / "visdial_1.0_val.json"
    content = json.loads(file.read_text())
    change(content["data"])
    file.write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        load(visdial, "val", {})


def test_visdial_without_any_picture_is_refused(visdial: Path) -> None:
    (visdial / "VisualDialog_val2018" / "VisualDialog_val2018_000000000007.jpg").rename(visdial / "another.jpg")
    with pytest.raises(InputError, match=r"no pictures of split 'val'; looked in .*VisualDialog_val2018/"):
        load(visdial, "val", {})


def test_a_cut_file_and_a_missing_split_of_visdial_are_refused(visdial: Path) -> None:
    with pytest.raises(InputError, match=r"no visdial_1.0_test.json; there is val: choose with --split"):
        load(visdial, "test", {})
    file = visdial / "visdial_1.0_val.json"
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.raises(InputError, match="cut or damaged"):
        load(visdial, "val", {})
