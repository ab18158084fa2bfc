"""The PartiPrompts reader."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Picture, partiprompts
from gill_bench.datasets.partiprompts import PROMPTS, context, load
from gill_bench.errors import InputError
from tests.support.small_data import VOTES, touch, write_partiprompts


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    return write_partiprompts(tmp_path / "partiprompts")


def labels(data: Dataset, part: str) -> dict[str, int]:
    return Counter(example.facts["label"] for example in data.examples if example.facts["part"] == part)


def test_prompts_with_a_label_in_the_order_of_the_file(prompts: Path) -> None:
    examples = load(prompts, "all", {"train": 4}).examples
    assert [example.id for example in examples] == ["0", "1", "3", "4", "5", "7"]
    assert [example.facts["label"] for example in examples] == ["gen", "ret", "gen", "ret", "gen", "gen"]
    assert [example.facts["part"] for example in examples] == ["train"] * 4 + ["test"] * 2
    assert examples[1].turns[0].text == 'the sign says "1"'
    assert dict(examples[1].facts) == {
        "label": "ret",
        "votes": "ret,ret,ret,ret,same",
        "part": "train",
        "category": "Signs",
        "challenge": "Writing & Symbols",
    }


def test_the_strict_rule_keeps_fewer(prompts: Path) -> None:
    examples = load(prompts, "all", {"train": 1, "rule": "strict"}).examples
    assert [example.id for example in examples] == ["0", "1", "5", "7"]


def test_the_shuffled_order_is_the_documented_one(prompts: Path) -> None:
    plain = list(load(prompts, "all", {"train": 4}).examples)
    shuffled = load(prompts, "all", {"train": 4, "order": "shuffled"}).examples
    random.Random(1337).shuffle(plain)
    assert [example.id for example in shuffled] == [example.id for example in plain]
    assert [example.facts["part"] for example in shuffled] == ["train"] * 4 + ["test"] * 2


def test_contexts_of_partiprompts_have_their_output_kinds() -> None:
    output_kinds = {
        "classifier": "features",
        "classifier-similarity": "features",
        "heuristic": "embeddings",
        "decide": "decisions",
        "generate": "images",
        "test-labels": "nothing",
        "all-labels": "nothing",
    }
    assert {name: context(name).asks for name in output_kinds} == output_kinds
    assert all(context(name).name == name and context(name).inputs == {"text"} for name in output_kinds)
    with pytest.raises(InputError, match="unknown context 'heuristics'; did you mean 'heuristic'"):
        context("heuristics")


def test_the_prompt_is_the_text_alone(prompts: Path) -> None:
    assert context("decide").segments(load(prompts, "all", {"train": 1}).examples[0], {}) == ('the sign says "0"',)


def test_candidates_are_the_pictures_of_a_folder(prompts: Path) -> None:
    touch(prompts, ["cc3m/b.jpg", "cc3m/a.png", "cc3m/c.txt"])
    data = load(prompts, "all", {"train": 1, "candidates": "cc3m"})
    assert list(data.candidates) == [Picture("a", prompts / "cc3m/a.png"), Picture("b", prompts / "cc3m/b.jpg")]
    assert not load(prompts, "all", {"train": 1}).candidates
    with pytest.raises(InputError, match="gone: no such folder of candidate pictures"):
        load(prompts, "all", {"train": 1, "candidates": "gone"})
    (prompts / "empty").mkdir()
    with pytest.raises(InputError, match="empty: no pictures in it"):
        load(prompts, "all", {"train": 1, "candidates": "empty"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "train = 600 leaves none of 6 labelled prompts to test on"),
        ({"train": 6}, "train = 6 leaves none of 6"),
        ({"train": -1}, "train = -1; expected a whole number"),
        ({"rule": "strikt"}, "rule = 'strikt'; did you mean 'strict'"),
        ({"votes": "realsm"}, "votes = 'realsm'; did you mean 'realism'"),
        ({"order": "random"}, "order = 'random'; choose from 'file', 'shuffled'"),
        ({"votes": "realism"}, "no PartiPromptsAllDecisions_Realism.tsv; download"),
        ({"candidates": 3}, "candidates = 3; expected a text"),
    ],
)
def test_wrong_options_of_partiprompts_are_refused(prompts: Path, options: dict[str, Value], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load(prompts, "all", options)


def test_an_unknown_split_or_folder_of_partiprompts_is_refused(prompts: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="split 'test' of PartiPrompts: there is only 'all'"):
        load(prompts, "test", {})
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "gone", "all", {})


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a\tb\tc\td", "line 4: 4 fields, expected 5"),
        ("a\tb\tc\td\tgen\t", "line 4: 6 fields, expected 5"),
        ("", "line 4: 1 fields, expected 5"),
        (" \tb\tc\td\tgen,gen,gen,gen,gen", "line 4: Prompt: expected text, found ' '"),
        ("a\tb\tc\td\tgen,gne,gen,gen,gen", "line 4: Decisions: a vote 'gne'; did you mean 'gen'"),
        ("a\tb\tc\td\t", "line 4: Decisions: a vote ''"),
        ("a\tb\tc\td\tgen, genn", "line 4: Decisions: a vote 'genn'"),
    ],
)
def test_malformed_lines_are_named(prompts: Path, line: str, message: str) -> None:
    lines = (prompts / VOTES).read_text().splitlines()
    (prompts / VOTES).write_text("\n".join([*lines[:3], line, *lines[3:]]))
    with pytest.raises(InputError, match=message) as caught:
        load(prompts, "all", {"train": 1})
    assert str(prompts / VOTES) in str(caught.value)


@pytest.mark.parametrize("content", ["", "Prompt,Category\n", "a\tb\tc\td\tgen,gen,gen,gen,gen\n"])
def test_votes_without_their_header_are_refused(prompts: Path, content: str) -> None:
    (prompts / VOTES).write_text(content)
    with pytest.raises(InputError, match="line 1: expected the header"):
        load(prompts, "all", {"train": 1})


def test_windows_lines_and_a_byte_order_mark_in_the_votes_change_nothing(prompts: Path) -> None:
    before = load(prompts, "all", {"train": 1})
    file = prompts / VOTES
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert load(prompts, "all", {"train": 1}) == before


def test_votes_written_by_pandas_or_with_blanks_are_read_alike(prompts: Path) -> None:
    file = prompts / VOTES
    rows = [line.split("\t") for line in file.read_text().splitlines()]
    rows[1][0] = 'a "1" sign'
    file.write_text("".join("\t".join(row) + "\n" for row in rows))
    before = load(prompts, "all", {"train": 1})
    assert before.examples[0].turns[0].text == 'a "1" sign'
    quoted = [['"' + field.replace('"', '""') + '"' if '"' in field else field for field in row] for row in rows]
    spaced = [[*row[:-1], row[-1].replace(",", ", ")] for row in quoted]
    file.write_text("".join("\t".join(row) + "\n" for row in spaced) + "\n")
    assert load(prompts, "all", {"train": 1}) == before


def test_the_released_votes_have_the_published_counts(real_data: Path) -> None:
    data = load(real_data / "partiprompts", "all", {})
    assert len(data.examples) == 911
    assert labels(data, "train") == {"gen": 391, "ret": 209}
    assert labels(data, "test") == {"gen": 201, "ret": 110}
    assert data.examples[0].turns[0].text == "bond"
    assert (data.examples[0].id, data.examples[0].facts["label"]) == ("0", "gen")
    quoted = [example.turns[0].text for example in data.examples if "Rumbury" in example.turns[0].text]
    assert quoted == ['The 1970s logo for a london-area football club called "The Rumbury Wanderers"']
    strict = load(real_data / "partiprompts", "all", {"rule": "strict", "train": 300})
    assert Counter(example.facts["label"] for example in strict.examples) == {"gen": 377, "ret": 166}
    shuffled = load(real_data / "partiprompts", "all", {"order": "shuffled"})
    assert {example.id for example in shuffled.examples} == {example.id for example in data.examples}
    assert sum(labels(shuffled, "train").values()) == 600
    realism = load(real_data / "partiprompts", "all", {"votes": "realism"})
    assert {example.id for example in realism.examples} != {example.id for example in data.examples}


def test_partiprompts_of_the_mini_world_have_enough_of_each_label(world: Path) -> None:
    data = load(world / "partiprompts", "all", {"train": 100})
    assert sum(labels(data, "train").values()) == 100
    assert min(labels(data, "test").values()) > 10


def test_all_prompts_are_read_for_annotators_from_either_file(prompts: Path) -> None:
    from_votes = partiprompts.prompts(prompts)
    assert [example.id for example in from_votes] == [str(number) for number in range(8)]
    assert dict(from_votes[2].facts) == {"category": "Signs", "challenge": "Writing & Symbols", "note": ""}
    (prompts / PROMPTS).write_text("Prompt\tCategory\tChallenge\tNote\na cat\tAnimals\tBasic\tmine\n")
    (example,) = partiprompts.prompts(prompts)
    assert (example.turns[0].text, example.facts["note"]) == ("a cat", "mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prompt\na cat\n", "line 1: expected the header 'Prompt"),
        ("", "line 1: expected the header 'Prompt"),
        ("Prompt\tCategory\tChallenge\tNote\na cat\n", "line 2: expected a prompt and 3 more fields"),
    ],
)
def test_malformed_lists_of_prompts_are_named(prompts: Path, text: str, message: str) -> None:
    (prompts / PROMPTS).write_text(text)
    with pytest.raises(InputError, match=message):
        partiprompts.prompts(prompts)
    for file in prompts.iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"no PartiPrompts\.tsv, nor a list of votes"):
        partiprompts.prompts(prompts)
