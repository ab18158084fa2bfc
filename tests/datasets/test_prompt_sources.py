"""The published lists of prompts of other benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gill_bench.datasets import Dataset, Picture, Turn
from gill_bench.datasets.prompts import load
from gill_bench.errors import InputError
from tests.support.other_benchmarks import write_dpg, write_geneval, write_geneval2, write_oneig, write_opening


def read(folder: Path, source: str, split: str = "test") -> Dataset:
    return load(folder, split, {"source": source})


def test_geneval_numbers_its_prompts_in_five_digits(tmp_path: Path) -> None:
    records = write_geneval(tmp_path)
    examples = read(tmp_path, "geneval").examples
    assert [(example.id, example.turns) for example in examples] == [
        ("00000", (Turn("a photo of a bench"),)),
        ("00001", (Turn("a photo of two clocks"),)),
    ]
    assert examples[1].facts["tag"] == "counting"
    assert json.loads(examples[1].facts["record"]) == records[1]


def test_geneval_2_has_questions(tmp_path: Path) -> None:
    write_geneval2(tmp_path)
    examples = read(tmp_path, "geneval2").examples
    assert [(example.id, example.facts) for example in examples] == [
        ("0", {"source": "geneval2", "atom_count": "7"}),
        ("1", {"source": "geneval2", "atom_count": "3"}),
    ]


def test_dpg_bench_has_a_file_for_each_prompt(tmp_path: Path) -> None:
    write_dpg(tmp_path)
    examples = read(tmp_path, "dpg").examples
    assert [(example.id, example.turns[0].text) for example in examples] == [
        ("256", "a ladder"),
        ("partiprompts1", "x"),
    ]


def test_oneig_ids_have_the_folder_of_their_category(tmp_path: Path) -> None:
    write_oneig(tmp_path)
    examples = read(tmp_path, "oneig").examples
    assert [(example.id, example.facts["id"]) for example in examples] == [
        ("anime-000", "000"),
        ("human-000", "000"),
        ("text-001", "001"),
    ]
    assert examples[2].turns == (Turn('a sign, "stop",\nin red'),)
    (tmp_path / "OneIG-Bench.csv").write_text("category,id,prompt_en\nPets,000,a cat\n")
    with pytest.raises(InputError, match=r"line 2: category: 'Pets'; expected one of Anime_Stylization"):
        read(tmp_path, "oneig")


def test_opening_texts_lose_their_marks_and_pictures_follow_them(tmp_path: Path) -> None:
    write_opening(tmp_path)
    first, second = read(tmp_path, "opening").examples
    picture = Picture("images/Story/96-i-1.jpg", tmp_path / "images/Story/96-i-1.jpg")
    assert first.id == "0301096"
    assert first.turns == (Turn("Go on. One evening.", picture), Turn("Then?"))
    assert first.answers == ("He ran.",)
    assert second.turns == (Turn("Draw a workflow."),)


@pytest.mark.parametrize("source", ["geneval", "geneval2", "dpg", "oneig", "opening"])
def test_a_list_that_is_not_there_is_named(tmp_path: Path, source: str) -> None:
    with pytest.raises(InputError, match=f"the prompts of {source}; .*option `file`"):
        read(tmp_path, source)


def test_pictures_of_opening_stay_in_the_folder(tmp_path: Path) -> None:
    write_opening(tmp_path)
    file = tmp_path / "test_data.jsonl"
    file.write_text(file.read_text().replace("./images/Story/96-i-1.jpg", "../../x.jpg"))
    with pytest.raises(InputError, match=r"line 1: '../../x.jpg' leaves the folder"):
        read(tmp_path, "opening")


@pytest.mark.parametrize(
    ("value", "message"),
    [("NaN", "a number is NaN or infinite"), ('"half \\ud800"', "half of a surrogate pair")],
)
def test_records_that_could_not_be_written_again_are_refused(tmp_path: Path, value: str, message: str) -> None:
    write_geneval(tmp_path)
    file = tmp_path / "prompts" / "evaluation_metadata.jsonl"
    file.write_text(file.read_text().replace('"count": 2', f'"count": {value}'))
    with pytest.raises(InputError, match=f"line 2: {message}"):
        read(tmp_path, "geneval")
