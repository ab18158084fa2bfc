"""Every reader: what is registered, files damaged in every way, and what a loaded data set holds."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gill_bench.cards.find import Value
from gill_bench.datasets import BUILTIN, Dataset, Picture, dataset
from gill_bench.errors import InputError
from tests.support import small_data as small
from tests.support.stories import write_vist


class Reader(NamedTuple):
    """A data set of which a test may damage a file."""

    name: str
    split: str
    write: Callable[[Path], Any]
    file: str
    contexts: tuple[str, ...]
    options: dict[str, Value]


_PROMPTS = ("classifier", "classifier-similarity", "heuristic", "decide", "test-labels", "all-labels")
READERS = {
    f"{reader.name} {Path(reader.file).name}": reader
    for reader in (
        Reader("coco-captions", "val2014", small.write_coco, small.CAPTIONS, ("caption",), {}),
        Reader("coco-pairs", "val2014", small.write_coco, small.CAPTIONS, ("caption",), {}),
        Reader("timing", "val2014", small.write_coco, small.CAPTIONS, ("text", "picture", "search"), {"repeats": 2}),
        Reader("cc3m", "val", small.write_pairs, small.PAIRS, ("caption",), {}),
        Reader("cc3m", "val", small.write_urls, small.URLS, ("caption",), {}),
        Reader("vqa", "val2014", small.write_vqa, small.QUESTIONS, ("question",), {}),
        Reader("vqa", "val2014", small.write_vqa, small.ANNOTATIONS, ("question",), {}),
        Reader("partiprompts", "all", small.write_partiprompts, small.VOTES, _PROMPTS, {"train": 1}),
        Reader("visdial", "val", small.write_visdial, small.VISDIAL, ("1-round", "10-rounds"), {}),
        Reader("visdial-retrieval", "val", small.write_visdial, small.VISDIAL, ("1-round", "10-rounds"), {}),
        Reader("visdial-answers", "val", small.write_visdial, small.VISDIAL, ("history",), {}),
        Reader("visdial-answers", "val", small.write_visdial, small.DENSE, ("history",), {}),
        Reader("prompts", "test", small.write_prompts, "test.jsonl", ("full", "texts", "1-text-1-image"), {}),
        Reader("sis", "test", write_vist, "sis/test.story-in-sequence.json", ("5-captions-4-images",), {}),
    )
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The data of each reader; a test that damages a file puts it back."""
    by_reader = {}
    for name, reader in READERS.items():
        folder = tmp_path_factory.mktemp("reader") / "data"
        reader.write(folder)
        by_reader[name] = folder
    return by_reader


def load(reader: Reader, folder: Path) -> Dataset:
    return dataset(reader.name).load(folder, reader.split, reader.options)


def checked(reader: Reader, data: Dataset) -> None:
    """Check the properties that every data set has, whatever its files are."""
    ids = [example.id for example in data.examples]
    assert ids
    assert len(set(ids)) == len(ids)
    files: dict[str, Path | None] = {}
    for example in data.examples:
        assert example.id
        assert example.cluster
        for text in (*example.answers, *example.facts.values()):
            text.encode()
        for name in reader.contexts:
            context = dataset(reader.name).context(name)
            parts = context.segments(example, {})
            assert {"text" if isinstance(part, str) else "image" for part in parts} == context.inputs
            "".join(part for part in parts if isinstance(part, str)).encode()
            assert {part for part in parts if isinstance(part, Picture)} <= {*example.pictures}
    shown = (picture for example in data.examples for picture in example.pictures)
    for picture in (*shown, *data.candidates, *data.references):
        assert files.setdefault(picture.id, picture.file) == picture.file
        assert picture.file is None or picture.file.is_file()


@pytest.mark.parametrize("name", READERS)
def test_every_reader_reads_its_small_data(folders: dict[str, Path], name: str) -> None:
    checked(READERS[name], load(READERS[name], folders[name]))


def test_every_reader_is_tested() -> None:
    assert {reader.name for reader in READERS.values()} == set(BUILTIN)


@pytest.mark.parametrize("name", READERS)
def test_contexts_have_one_name(name: str) -> None:
    module = dataset(READERS[name].name)
    for context in READERS[name].contexts:
        assert module.context(context).name == context
        with pytest.raises(InputError, match=r"unknown context '.*'(;|:) .*(did you mean|choose from)"):
            module.context(f"{context}?")


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("damage", ["cut", "empty", "latin-1", "utf-16", "a folder", "gone"])
def test_damaged_files_are_refused_by_every_reader(
    folders: dict[str, Path], tmp_path: Path, name: str, damage: str
) -> None:
    reader = READERS[name]
    folder = tmp_path / "data"
    shutil.copytree(folders[name], folder)
    file = folder / reader.file
    content = file.read_text()
    file.unlink()
    if damage == "a folder":
        file.mkdir()
    elif damage != "gone":
        broken = {
            "cut": content[: content.rindex("\t") if file.suffix == ".tsv" else len(content) * 2 // 3].encode(),
            "empty": b"",
            "latin-1": (content + "ä").encode("latin-1"),
            "utf-16": content.encode("utf-16"),
        }
        file.write_bytes(broken[damage])
    if damage == "gone" and reader.file == small.DENSE:
        assert load(reader, folder).warnings
        return
    with pytest.raises(InputError) as caught:
        load(reader, folder)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("name", READERS)
def test_a_byte_order_mark_and_windows_lines_change_nothing(
    folders: dict[str, Path], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(folders[name], folder)
    before = load(READERS[name], folder)
    file = folder / READERS[name].file
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    assert load(READERS[name], folder) == before


HOSTILE: list[Any] = [
    None,
    True,
    -1,
    0,
    7,
    10**30,
    1.5,
    float("nan"),
    "",
    " \n",
    "7",
    "../../x.jpg",
    "/etc/passwd",
    "a\0b",
    "x" * 5000,
    "half \ud800",
    "\u2028\u202e\ufeff",
    [],
    [[]],
    {},
    {"id": 1},
]


def steps(value: Any, start: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The places of a JSON value that a change can be made at: a few of each list."""
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = [(number, value[number]) for number in sorted({0, len(value) // 2, len(value) - 1}) if value]
    else:
        children = []
    return [start, *(path for key, child in children for path in steps(child, (*start, key)))]


UNCHECKED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith(".json")])
@settings(max_examples=60, suppress_health_check=UNCHECKED)
@given(draw=st.data())
def test_any_change_of_a_record_is_read_or_refused(folders: dict[str, Path], name: str, draw: st.DataObject) -> None:
    reader = READERS[name]
    file = folders[name] / reader.file
    before = file.read_text()
    content = json.loads(before)
    *way, last = draw.draw(st.sampled_from(steps(content)[1:]))
    inside = content
    for key in way:
        inside = inside[key]
    action = draw.draw(st.sampled_from(["replace", "delete", "repeat"]))
    if action == "delete":
        del inside[last]
    elif action == "repeat" and isinstance(inside, list):
        inside.append(inside[last])
    else:
        inside[last] = draw.draw(st.sampled_from(HOSTILE))
    file.write_text(json.dumps(content))
    try:
        read_or_refused(reader, folders[name])
    finally:
        file.write_text(before)


@pytest.mark.parametrize("name", [name for name in READERS if name.endswith(".tsv")])
@settings(max_examples=100, suppress_health_check=UNCHECKED)
@given(number=st.integers(0, 8), line=st.text(st.sampled_from("a\t\r\n\0,./\\\"'gen ret\u2028\u0085é"), max_size=30))
def test_any_line_is_read_or_refused(folders: dict[str, Path], name: str, number: int, line: str) -> None:
    file = folders[name] / READERS[name].file
    before = file.read_bytes()
    lines = before.decode().split("\n")
    lines[min(number, len(lines) - 1)] = line
    file.write_bytes("\n".join(lines).encode())
    try:
        read_or_refused(READERS[name], folders[name])
    finally:
        file.write_bytes(before)


def read_or_refused(reader: Reader, folder: Path) -> None:
    outcome = data_or_error(reader, folder)
    if isinstance(outcome, Dataset):
        checked(reader, outcome)
    else:
        assert str(folder) in str(outcome)
        assert len(str(outcome).splitlines()) <= 3
        assert len(str(outcome)) < 1000


def data_or_error(reader: Reader, folder: Path) -> Dataset | InputError:
    try:
        return load(reader, folder)
    except InputError as error:
        return error


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_or_a_folder_in_the_place_of_a_file_is_refused_without_waiting(tmp_path: Path, name: str) -> None:
    reader = READERS[name]
    reader.write(tmp_path / "data")
    file = tmp_path / "data" / reader.file
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(InputError, match="cannot be read: a named pipe"):
        dataset(reader.name).load(tmp_path / "data", reader.split, reader.options)
    file.unlink()
    file.mkdir()
    with pytest.raises(InputError, match="cannot be read: a folder"):
        dataset(reader.name).load(tmp_path / "data", reader.split, reader.options)
