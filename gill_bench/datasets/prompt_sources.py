"""The lists of prompts of other benchmarks, in the files in which they are published.

The pictures that a model makes for them are exported in the layout that the benchmark's own judge reads
(`gill_bench.exchange.benchmarks`); docs/exchange.md says against which revisions these layouts were checked.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gill_bench.datasets.files import file_name, is_encodable, shown
from gill_bench.datasets.prompt_lines import list_in, numbered_records, text_in, utf8_text
from gill_bench.errors import InputError
from gill_bench.storage.json import to_json

ONEIG_FOLDERS = {
    "Anime_Stylization": "anime",
    "Portrait": "human",
    "General_Object": "object",
    "Text_Rendering": "text",
    "Knowledge_Reasoning": "reasoning",
    "Multilingualism": "multilingualism",
}
"""The folder of pictures of each category of OneIG-Bench."""
_FILES: Mapping[str, tuple[str, ...]] = {
    "geneval": ("prompts/evaluation_metadata.jsonl", "evaluation_metadata.jsonl"),
    "geneval2": ("geneval2_data.jsonl",),
    "dpg": ("dpg_bench/prompts", "prompts"),
    "oneig": ("OneIG-Bench.csv",),
    "opening": ("OpenING-benchmark/{split}_data.jsonl", "{split}_data.jsonl"),
}
_MARKS = re.compile(r"\s*<(?:BEGIN|image)>\s*")


@dataclass(frozen=True, slots=True)
class NamedPicture:
    """A picture of a prompt by its path from the folder of the list."""

    name: str


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt of another benchmark.

    Attributes:
        where: File and line, for errors.
        id: The id by which the benchmark names the prompt's pictures.
        parts: The texts and pictures, in reading order.
        facts: What the benchmark's layout needs besides.
        answers: Reference texts.
    """

    where: str
    id: str
    parts: tuple[str | NamedPicture, ...]
    facts: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[str, ...] = ()


def find_source(source: str, folder: Path, split: str) -> Path:
    """The list of a benchmark in a folder, in a place where the benchmark's repository has it.

    Raises:
        InputError: It is not there.
    """
    names = [name.replace("{split}", split) for name in _FILES[source]]
    for name in names:
        if (folder / file_name(name, "split")).exists():
            return folder / name
    raise InputError(
        f"{folder}: no {' and no '.join(names)}, the prompts of {source}; take the file from the benchmark's"
        " repository, or name it: option `file`"
    )


def _geneval(file: Path) -> Iterator[Prompted]:
    """GenEval's `evaluation_metadata.jsonl`: an id is the number of the line in five digits, from 0."""
    for number, (where, record) in enumerate(numbered_records(file)):
        prompt, tag = (text_in(_field(record, key, where), f"{where}: {key}") for key in ("prompt", "tag"))
        list_in(_field(record, "include", where), f"{where}: include")
        yield Prompted(where, f"{number:05d}", (prompt,), {"tag": tag, "record": _whole(record, where)})


def _geneval2(file: Path) -> Iterator[Prompted]:
    """GenEval 2's `geneval2_data.jsonl`: an id is the number of the line, from 0."""
    for number, (where, record) in enumerate(numbered_records(file)):
        prompt = text_in(_field(record, "prompt", where), f"{where}: prompt")
        list_in(_field(record, "vqa_list", where), f"{where}: vqa_list")
        yield Prompted(where, str(number), (prompt,), {"atom_count": str(record.get("atom_count", ""))})


def _dpg(folder: Path) -> Iterator[Prompted]:
    """DPG-Bench's `prompts/<item id>.txt`: one prompt a file, in the order of the ids."""
    files = sorted(file for file in folder.glob("*.txt") if not file.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: no .txt files, of which DPG-Bench has one for each prompt")
    for file in files:
        yield Prompted(str(file), file.stem, (text_in(utf8_text(file).strip(), str(file)),))


def _oneig(file: Path) -> Iterator[Prompted]:
    """OneIG-Bench's CSV files, English or Chinese: an id is the folder of the category and the id in the file."""
    reader = csv.DictReader(io.StringIO(utf8_text(file), newline=""), strict=True)
    columns = reader.fieldnames or []
    column = next((name for name in ("prompt_en", "prompt_cn") if name in columns), None)
    if column is None or not {"category", "id"}.issubset(columns):
        raise InputError(f"{file}, line 1: expected the columns category, id, and prompt_en or prompt_cn")
    try:
        for row in reader:
            where = f"{file}, line {reader.line_num}"
            category, name = (text_in(row[key], f"{where}: {key}").strip() for key in ("category", "id"))
            if category not in ONEIG_FOLDERS:
                raise InputError(f"{where}: category: {shown(category)}; expected one of {', '.join(ONEIG_FOLDERS)}")
            facts = {"category": category, "id": file_name(name, f"{where}: id")}
            yield Prompted(
                where, f"{ONEIG_FOLDERS[category]}-{name}", (text_in(row[column], f"{where}: {column}"),), facts
            )
    except csv.Error as error:
        raise InputError(f"{file}, line {reader.line_num}: no CSV: {error}") from error


def _opening(file: Path) -> Iterator[Prompted]:
    """OpenING's `<split>_data.jsonl`: an id is `total_uid`; texts lose their marks, a picture follows its text."""
    for where, record in numbered_records(file):
        name = file_name(text_in(_field(record, "total_uid", where), f"{where}: total_uid"), f"{where}: total_uid")
        turns = list_in(_field(record, "conversations", where), f"{where}: conversations")
        if len(turns) != 2:
            raise InputError(f"{where}: conversations: expected an input and an output, found {len(turns)} entries")
        steps = _steps(turns[0], "input", f"{where}: conversations[0]")
        texts = [step["text"] for step in _steps(turns[1], "output", f"{where}: conversations[1]")]
        parts: list[str | NamedPicture] = []
        for step in steps:
            text = _MARKS.sub(" ", step["text"]).strip()
            parts += [text] if text else []
            parts += [NamedPicture(step["image"])] if step["image"] is not None else []
        if not parts:
            raise InputError(f"{where}: conversations[0].input: has neither text nor picture")
        answers = tuple(text for text in (_MARKS.sub(" ", text).strip() for text in texts) if text)
        yield Prompted(where, name, tuple(parts), {"record": _whole(record, where)}, answers)


def _steps(turn: Any, key: str, where: str) -> list[dict[str, Any]]:
    steps = list_in(_field(turn, key, where), f"{where}.{key}")
    for position, step in enumerate(steps):
        at = f"{where}.{key}[{position}]"
        text, image = _field(step, "text", at), _field(step, "image", at)
        if not isinstance(text, str) or not is_encodable(text):
            raise InputError(f"{at}.text: expected a text, found {shown(text)}")
        if image is not None:
            text_in(image, f"{at}.image")
    return steps


def _whole(record: dict[str, Any], where: str) -> str:
    """A record as JSON, to be written again when samples are exported."""
    try:
        text = to_json(record)
    except ValueError as error:
        raise InputError(f"{where}: a number is NaN or infinite, which no JSON has") from error
    if not is_encodable(text):
        raise InputError(f"{where}: half of a surrogate pair, which is no text")
    return text


def _field(record: Any, key: str, where: str) -> Any:
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected an object, found {shown(record)}")
    if key not in record:
        raise InputError(f"{where}: {key}: the field is missing")
    return record[key]


READERS: Mapping[str, Callable[[Path], Iterator[Prompted]]] = {
    "geneval": _geneval,
    "geneval2": _geneval2,
    "dpg": _dpg,
    "oneig": _oneig,
    "opening": _opening,
}
"""The reader of each benchmark's list."""
