"""Data sets of one's own: lists of prompts, and JSON lines with interleaved texts and pictures."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards
from gill_bench.datasets import Dataset, Example, Picture, Turn
from gill_bench.datasets.prompts import context, load
from gill_bench.errors import InputError
from gill_bench.planning.resolve import resolve_task
from gill_bench.planning.selection import choose_contexts
from tests.conftest import ROOT
from tests.support.own_data import own_card
from tests.support.small_data import touch, write_prompts


def lines(folder: Path, *records: Any) -> Path:
    """Write records as JSON lines; a text is written as it is."""
    folder.mkdir(exist_ok=True)
    texts = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (folder / "test.jsonl").write_text("\n".join(texts) + "\n")
    return folder


def read(folder: Path, *records: Any, **options: str) -> Dataset:
    return load(lines(folder, *records), "test", options)


def test_an_example_keeps_the_order_of_its_texts_and_pictures(tmp_path: Path) -> None:
    data = load(write_prompts(tmp_path), "test", {})
    a, b, c = (Picture(f"pics/{name}.png", tmp_path / f"pics/{name}.png") for name in "abc")
    gone = Picture("pics/gone.png", None)
    facts = {"answer_type": "yes/no", "weight": "0.5", "gt_index": "1"}
    first = (Turn("one", a), Turn("two"), Turn("three"), Turn("", b))
    assert data.examples == [
        Example("a/1", "c", first, b, ("yes", "no"), facts),
        Example("7", "c", (Turn("", b), Turn("what?"), Turn("", c)), c),
        Example("2", "2", (Turn("first", a), Turn("last"), Turn("", gone)), gone),
    ]
    assert context("full").segments(data.examples[0], {}) == ("one", a, "two three")
    assert context("full").segments(data.examples[1], {}) == (b, "what?")
    assert (data.candidates, data.references) == ((a, b, c, gone), (b, c, gone))


def test_several_targets_are_asked_for_one_by_one_in_one_cluster(tmp_path: Path) -> None:
    data = read(tmp_path, {"id": "x", "prompt": "p", "targets": ["1.png", "2.png"]}, {"id": "x#3", "prompt": "q"})
    assert [(example.id, example.cluster) for example in data.examples] == [("x#1", "x"), ("x#2", "x"), ("x#3", "x#3")]
    assert [example.target and example.target.id for example in data.examples] == ["1.png", "2.png", None]
    with pytest.raises(InputError, match=r"line 2: id: 'x#2' is the id of line 1 too"):
        read(tmp_path, {"id": "x", "prompt": "p", "targets": ["1.png", "2.png"]}, {"id": "x#2", "prompt": "q"})


def test_a_text_file_has_a_prompt_a_line(tmp_path: Path) -> None:
    (tmp_path / "val.txt").write_bytes('\ufeffa dog\r\n  a “cat”, {"x": 1}\r\n\r\n'.encode())
    examples = load(tmp_path, "val", {}).examples
    assert [(example.id, example.turns) for example in examples] == [
        ("0", (Turn("a dog"),)),
        ("1", (Turn('a “cat”, {"x": 1}'),)),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a dog\ra cat\ra cow\r", "line 1: a carriage return without a line feed"),
        (b"a dog\n\na cat\n", "line 2: an empty line"),
        (b"a dog\n" + "a cat".encode("utf-16-be"), "line 2: a zero byte"),
    ],
)
def test_a_text_file_whose_lines_are_not_prompts_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "val.txt").write_bytes(content)
    with pytest.raises(InputError, match=f"val.txt, {message}"):
        load(tmp_path, "val", {})


def test_null_is_a_field_that_is_not_there(tmp_path: Path) -> None:
    # As tables write it: pandas and pyarrow give every record every key.
    parts = [{"text": "a", "picture": None}, {"text": None, "picture": "p.png"}]
    (example,) = read(tmp_path, {"id": None, "prompt": parts, "target": None, "answers": None}).examples
    assert example == Example("0", "0", (Turn("a", Picture("p.png", None)),))
    (other,) = read(tmp_path, {"texts": [None, "what?"], "pictures": ["p.png"]}).examples
    assert other.turns == (Turn("", Picture("p.png", None)), Turn("what?"))


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "line 2: prompt: the field is missing"),
        ({"prompt": ""}, "line 2: prompt: the text is empty"),
        ({"prompt": []}, "line 2: prompt: the list is empty"),
        ({"prompt": 7}, r"line 2: prompt: expected a text, or a list of texts and pictures, found 7"),
        ({"prompt": ["a", 7]}, r"line 2: prompt\[1\]: expected a text or"),
        ({"prompt": ["a", {"image": "x"}]}, r"line 2: prompt\[1\]: unknown field 'image'; choose from 'picture'"),
        ({"prompt": [{"pictures": "x"}]}, r"line 2: prompt\[0\]: unknown field 'pictures'; did you mean 'picture'\?"),
        ({"prompt": [{}]}, r"line 2: prompt\[0\]: expected either"),
        ({"prompt": [{"picture": "../x.png"}]}, r"line 2: prompt\[0\].picture: '../x.png' leaves the folder"),
        ({"prompt": [{"picture": "/etc/passwd"}]}, r"line 2: prompt\[0\].picture: '/etc/passwd' leaves the folder"),
        ({"prompt": [{"picture": "..\\x.png"}]}, r"line 2: prompt\[0\].picture: .* leaves the folder"),
        ({"prompt": [{"picture": "a\x1b.png"}]}, r"line 2: prompt\[0\].picture: .* control characters"),
        (
            {"prompt": [{"picture": "https://a.b/x.png"}]},
            r"line 2: prompt\[0\].picture: .* is an address, and nothing is",
        ),
        ({"prompt": "p", "target": "s3://a/x.png"}, "line 2: target: 's3://a/x.png' is an address"),
        ({"prompt": [{"picture": 3}]}, r"line 2: prompt\[0\].picture: expected a text, found 3"),
        ({"prompt": "p", "texts": ["t"]}, "line 2: prompt and texts are both given"),
        ({"texts": [None]}, "line 2: texts and pictures: expected at least one"),
        ({"prompt": "p", "targt": "x.png"}, r"line 2: unknown field 'targt'; did you mean 'target'\?"),
        ({"prompt": "p", "target": ["x.png"]}, "line 2: target: expected a text"),
        ({"prompt": "p", "target": "x.png", "targets": ["y.png"]}, "line 2: target and targets are both given"),
        ({"prompt": "p", "targets": ["x.png", "./x.png"]}, "line 2: targets: a picture is named twice"),
        ({"prompt": "p", "answers": "yes"}, "line 2: answers: expected a list, found 'yes'"),
        ({"prompt": "p", "answers": ["yes", 3]}, r"line 2: answers\[1\]: expected a text, found 3"),
        ({"prompt": "p", "answers": ["a"], "right": 1}, r"line 2: right: .*of 1 answers, from 0, found 1"),
        ({"prompt": "p", "id": 1.5}, "line 2: id: expected a text or a whole number, found 1.5"),
        ({"prompt": "p", "id": True}, "line 2: id: expected a text or a whole number, found True"),
        ({"prompt": "p", "id": "first"}, "line 2: id: 'first' is the id of line 1 too"),
        ({"prompt": "p", "id": "a\x1b[2J"}, "line 2: id: .* control characters"),
        ({"prompt": "p", "cluster": []}, "line 2: cluster: expected a text"),
        ({"prompt": "p", "facts": ["a"]}, "line 2: facts: expected an object"),
        ({"prompt": "p", "facts": {"a": [1]}}, "line 2: facts.a: expected a text, a finite number"),
        ('{"prompt": "p", "facts": {"a": NaN}}', "line 2: facts.a: expected .* found nan"),
        ('{"prompt": NaN}', "line 2: prompt: .*found nan"),
        ('{"prompt": "half \\ud800"}', "line 2: prompt: half of a surrogate pair"),
        ('{"prompt": "p", "prompt": "q"}', "line 2: an object has the key 'prompt' twice"),
        ('{"prompt": "p"', r"line 2: cannot be read as JSON: column \d+"),
        ('{"prompt": "p"},', "line 2: cannot be read as JSON: column 16: .* is not one JSON value"),
        ("# a comment", "line 2: cannot be read as JSON: .* is not one JSON value"),
        ('"p"', "line 2: expected a JSON object, found 'p'"),
        ("", "line 2: an empty line"),
    ],
)
def test_a_wrong_line_is_named_with_its_field(tmp_path: Path, record: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"test.jsonl, {message}"):
        read(tmp_path, {"id": "first", "prompt": "p"}, record, {"id": "last", "prompt": "p"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"\n \r\n", "the file is empty"),
        ('{"prompt": "a"}\n{"prompt": "\u00e4"}\n'.encode("latin-1"), r"line 2: not UTF-8 \(byte 0xe4\)"),
        ('{"prompt": "a"}'.encode("utf-16"), "line 1: not UTF-8"),
        (b'[\n{"prompt": "a"}\n]\n', "line 1: a list, or an object over several lines; expected one whole JSON object"),
        (b'{\n"prompt": "a"\n}\n', "line 1: a list, or an object over several lines"),
        (b'{"prompt": "a"}\r{"prompt": "b"}\r', "line 1: a carriage return without a line feed"),
        ('{"prompt": "a"}\n'.encode("utf-16-le"), "line 1: a zero byte, which no text has; is it UTF-16"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "test.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=f"test.jsonl[:,] {message}"):
        load(tmp_path, "test", {})


def test_the_list_is_named_by_the_split_or_the_card(tmp_path: Path) -> None:
    lines(tmp_path, {"prompt": "p"})
    with pytest.raises(InputError, match=r"neither tset.jsonl .* nor tset.txt .*; there is test: choose with --split"):
        load(tmp_path, "tset", {})
    (tmp_path / "test.txt").write_text("other\n")
    with pytest.raises(InputError, match=r"both test.jsonl and test.txt"):
        load(tmp_path, "test", {})
    assert load(tmp_path, "test", {"file": "{split}.txt"}).examples[0].turns == (Turn("other"),)
    with pytest.raises(InputError, match="leaves the folder"):
        load(tmp_path, "test", {"file": "../x.txt"})
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "none", "test", {})


def test_candidates_and_references_come_from_the_list_or_a_folder(tmp_path: Path) -> None:
    touch(tmp_path, ["real/b.png", "real/deep/a.jpg", "real/.hidden.png", "real/notes.txt", "t.png"])
    record = {"prompt": ["p", {"picture": "p.png"}], "target": "t.png"}
    data = read(tmp_path, record, candidates="real", references="real")
    assert [picture.id for picture in data.candidates] == ["t.png", "real/b.png", "real/deep/a.jpg"]
    assert [picture.id for picture in data.references] == ["real/b.png", "real/deep/a.jpg"]
    assert [picture.id for picture in read(tmp_path, record, candidates="targets").candidates] == ["t.png"]
    with pytest.raises(InputError, match=r"no pictures in it.*`references`"):
        read(tmp_path, record, references="none")


def test_the_cards_and_lines_of_the_document_are_read(tmp_path: Path) -> None:
    blocks = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "docs" / "prompts.md").read_text(), re.DOTALL)
    cards = [text for language, text in blocks if language == "toml" and "capability" in text]
    assert len(cards) > 1
    for number, text in enumerate(cards):
        name = re.search(r'^name = "([^"]+)"', text, re.MULTILINE)
        assert name is not None, number
        (tmp_path / f"{name[1]}.toml").write_text(text)
        card = resolve_task(
            Cards().task(str(tmp_path / f"{name[1]}.toml")), data=str(tmp_path), split=None, settings={}
        )
        assert choose_contexts(card, [*card.contexts])
    records = [line for language, text in blocks if language == "json" for line in text.splitlines()]
    ids = [example.id for example in read(tmp_path / "data", *records).examples]
    assert len(ids) == len(records)


def test_options_that_nobody_reads_are_refused(tmp_path: Path) -> None:
    card = Cards().task(str(own_card(tmp_path / "typo.toml", "image-generator", [])))
    options = {"options": {"candidate": "targets"}}
    with pytest.raises(
        InputError, match=r"typo: data.options: 'candidate' is read by nobody; did you mean 'candidates'"
    ):
        resolve_task(
            card.model_copy(update={"data": card.data.model_copy(update=options)}),
            data=str(tmp_path),
            split=None,
            settings={},
        )
