"""A data set of one's own: a list of prompts, or JSON lines with interleaved texts and pictures (docs/prompts.md).

A text file has one prompt a line; an example's id is the number of its line, from 0. In JSON lines each line is an
object with the fields `FIELDS`. The lists of other benchmarks are read as they are published; the option `SOURCE` names
the benchmark (`gill_bench.datasets.prompt_sources`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gill_bench.cards.find import Value
from gill_bench.datasets import Dataset, Example, Picture
from gill_bench.datasets.files import file_name, identifier, shown
from gill_bench.datasets.options import Choice, Text
from gill_bench.datasets.pictures import EXTENSIONS
from gill_bench.datasets.prompt_contexts import PROMPT as PROMPT
from gill_bench.datasets.prompt_contexts import last_parts, turns_of
from gill_bench.datasets.prompt_lines import (
    list_in,
    numbered_lines,
    numbered_records,
    refuse_unknown,
    scalar_in,
    text_in,
)
from gill_bench.datasets.prompt_sources import READERS, Prompted, find_source
from gill_bench.errors import InputError

SOURCE = Choice("source", ("own", *READERS))
"""The benchmark whose list of prompts is read; "own" for a list in the forms of this module."""
FILE = Text("file", "")
"""The list, from the data set's folder, where `{split}` stands for the split; by default `{split}.jsonl`, else
`{split}.txt`, or the file in which the benchmark of `SOURCE` is published."""
CANDIDATES = Text("candidates", "pictures")
"""The pictures among which retrieval searches: "targets", "pictures" (targets and pictures of prompts), or a folder
inside the data set's folder, whose pictures are searched together with the targets."""
REFERENCES = Text("references", "targets")
"""The pictures that FID compares with: "targets", or a folder inside the data set's folder."""
OPTIONS = (SOURCE, FILE, CANDIDATES, REFERENCES)
FIELDS = ("id", "prompt", "texts", "pictures", "target", "targets", "answers", "right", "cluster", "facts")

context = last_parts


def load(folder: Path, split: str, options: Mapping[str, Value]) -> Dataset:
    """Read the examples of a split, in the order of the list.

    Args:
        folder: The folder of the list; pictures are named from here.
        split: The split, which is the name of the list without its ending.
        options: `OPTIONS`.

    Returns:
        The data set. The id of a picture is its path from the folder. Facts are those of the list; with `right` also
        `gt_index`, the position of the right answer.

    Raises:
        InputError: The list is absent, or malformed (the message has file, line and field), two examples have the same
            id, or a folder of candidates or references has no pictures.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder (given by --data)")
    source, name = SOURCE.of(options), FILE.of(options).replace("{split}", split)
    pictures = _Pictures(folder)
    if source == "own":
        file = folder / file_name(name, "file") if name else _find(folder, split)
        examples = _distinct(_read_text(file) if file.suffix.lower() == ".txt" else _read_records(file, pictures))
    else:
        path = folder / file_name(name, "file") if name else find_source(source, folder, split)
        examples = _distinct(_of_source(source, READERS[source](path), pictures, path))
    targets = list(dict.fromkeys(example.target for example in examples if example.target is not None))
    candidates = CANDIDATES.of(options)
    shown_pictures = [picture for example in examples for picture in example.pictures]
    searched = shown_pictures if candidates == "pictures" else targets
    if candidates not in ("pictures", "targets"):
        searched = [*targets, *pictures.in_folder(candidates, CANDIDATES.key)]
    references = REFERENCES.of(options)
    compared = targets if references == "targets" else pictures.in_folder(references, REFERENCES.key)
    return Dataset(examples, candidates=tuple(dict.fromkeys(searched)), references=tuple(compared))


class _Pictures:
    """The pictures of a folder by their paths in it; a path has one `Picture`, however often it is named."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_name: dict[str, Picture] = {}

    def named(self, name: Any, where: str) -> Picture:
        """The picture at a path; without a file if there is none.

        Raises:
            InputError: The path is no text, or leads out of the folder.
        """
        if "://" in text_in(name, where):
            raise InputError(
                f"{where}: {shown(name)} is an address, and nothing is downloaded; expected the path of a file in the"
                " data set's folder"
            )
        path = Path(file_name(name, where)).as_posix()
        if path not in self._by_name:
            file = self._folder / path
            self._by_name[path] = Picture(path, file if file.exists() else None)
        return self._by_name[path]

    def beside(self, name: str, home: Path, where: str) -> Picture:
        """The picture at a path from a folder inside the data set's folder."""
        return self.named((home.relative_to(self._folder) / file_name(name, where)).as_posix(), where)

    def in_folder(self, name: str, option: str) -> list[Picture]:
        """All pictures in a folder and the folders in it, in the order of their paths; hidden files do not count."""
        folder = self._folder / file_name(name, option)
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in EXTENSIONS)
        paths = [file.relative_to(self._folder) for file in files if file.is_file()]
        seen = [path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)]
        if not seen:
            raise InputError(f"{folder}: no pictures in it, or no such folder (option `{option}`)")
        return [self.named(path, option) for path in seen]


def _find(folder: Path, split: str) -> Path:
    names = [f"{split}{suffix}" for suffix in (".jsonl", ".txt")]
    there = [folder / file_name(name, "split") for name in names if (folder / name).exists()]
    if len(there) == 2:
        raise InputError(f"{folder}: both {names[0]} and {names[1]}; take one away, or name the list: option `file`")
    if there:
        return there[0]
    splits = sorted({file.stem for suffix in ("jsonl", "txt") for file in folder.glob(f"*.{suffix}")})
    hint = f"there is {', '.join(splits[:5])}: choose with --split" if splits else "docs/prompts.md has the two forms"
    raise InputError(f"{folder}: neither {names[0]} (JSON lines) nor {names[1]} (one prompt a line); {hint}")


def _distinct(examples: Iterable[tuple[str, Example]]) -> list[Example]:
    """Examples without the lines that they are from.

    Raises:
        InputError: Two examples have the same id; names both lines.
    """
    seen: dict[str, str] = {}
    distinct = []
    for where, example in examples:
        if example.id in seen:
            line = seen[example.id].rpartition(", ")[2]
            raise InputError(f"{where}: id: {shown(example.id)} is the id of {line} too; ids are unique")
        seen[example.id] = where
        distinct.append(example)
    return distinct


def _read_text(file: Path) -> Iterator[tuple[str, Example]]:
    for number, line in enumerate(numbered_lines(file)):
        yield line.where, Example(str(number), str(number), turns_of([line.text.strip()], None))


def _of_source(
    source: str, prompts: Iterable[Prompted], pictures: _Pictures, path: Path
) -> Iterator[tuple[str, Example]]:
    """Examples of another benchmark's prompts, whose pictures are named from the folder of its list."""
    for prompt in prompts:
        where = prompt.where
        parts = [
            part if isinstance(part, str) else pictures.beside(part.name, path.parent, where) for part in prompt.parts
        ]
        facts = {"source": source, **prompt.facts}
        name = identifier(prompt.id, f"{where}: id")
        yield where, Example(name, name, turns_of(parts, None), answers=prompt.answers, facts=facts)


def _read_records(file: Path, pictures: _Pictures) -> Iterator[tuple[str, Example]]:
    for number, (where, raw) in enumerate(numbered_records(file)):
        refuse_unknown(raw, FIELDS, where)
        record = {key: value for key, value in raw.items() if value is not None}
        name = _id(record, "id", where) if "id" in record else str(number)
        cluster = _id(record, "cluster", where) if "cluster" in record else name
        parts = _parts(record, pictures, where)
        given = list_in(record["answers"], f"{where}: answers") if "answers" in record else []
        answers = tuple(text_in(text, f"{where}: answers[{position}]") for position, text in enumerate(given))
        facts = _facts(record, answers, where)
        targets = _targets(record, pictures, where)
        for order, target in enumerate(targets or [None]):
            own = name if len(targets) < 2 else f"{name}#{order + 1}"
            yield where, Example(own, cluster, turns_of(parts, target), target, answers, facts)


def _id(record: Mapping[str, Any], key: str, where: str) -> str:
    value = record[key]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise InputError(f"{where}: {key}: expected a text or a whole number, found {shown(value)}")
    return identifier(text_in(value, f"{where}: {key}"), f"{where}: {key}")


def _parts(record: Mapping[str, Any], pictures: _Pictures, where: str) -> list[str | Picture]:
    """The texts and pictures of an example, in reading order."""
    given = [key for key in ("prompt", "texts", "pictures") if key in record]
    if not given:
        raise InputError(f"{where}: prompt: the field is missing (or texts and pictures)")
    if "prompt" not in record:
        return _alternating(record, pictures, where)
    if len(given) > 1:
        raise InputError(f"{where}: prompt and {given[1]} are both given; expected a prompt, or texts and pictures")
    prompt = record["prompt"]
    if isinstance(prompt, str):
        return [text_in(prompt, f"{where}: prompt")]
    if not isinstance(prompt, list):
        raise InputError(f"{where}: prompt: expected a text, or a list of texts and pictures, found {shown(prompt)}")
    if not prompt:
        raise InputError(f"{where}: prompt: the list is empty; expected at least one text or picture")
    return [_part(part, pictures, f"{where}: prompt[{position}]") for position, part in enumerate(prompt)]


def _part(part: Any, pictures: _Pictures, where: str) -> str | Picture:
    """A part of a prompt: a text, {"text": ...} or {"picture": ...}."""
    if isinstance(part, str):
        return text_in(part, where)
    if not isinstance(part, dict):
        raise InputError(f'{where}: expected a text or {{"picture": path}}, found {shown(part)}')
    refuse_unknown(part, ("picture", "text"), where)
    values = {key: value for key, value in part.items() if value is not None}
    if len(values) != 1:
        raise InputError(f'{where}: expected either {{"picture": path}} or {{"text": text}}, found {shown(part)}')
    if "text" in values:
        return text_in(values["text"], f"{where}.text")
    return pictures.named(values["picture"], f"{where}.picture")


def _alternating(record: Mapping[str, Any], pictures: _Pictures, where: str) -> list[str | Picture]:
    """Texts, each followed by the picture of the same position; null stands for none."""
    texts, names = (list_in(record[key], f"{where}: {key}") if key in record else [] for key in ("texts", "pictures"))
    parts: list[str | Picture] = []
    for position in range(max(len(texts), len(names))):
        if position < len(texts) and texts[position] is not None:
            parts.append(text_in(texts[position], f"{where}: texts[{position}]"))
        if position < len(names) and names[position] is not None:
            parts.append(pictures.named(names[position], f"{where}: pictures[{position}]"))
    if not parts:
        raise InputError(f"{where}: texts and pictures: expected at least one text or picture")
    return parts


def _targets(record: Mapping[str, Any], pictures: _Pictures, where: str) -> list[Picture]:
    if "target" in record and "targets" in record:
        raise InputError(f"{where}: target and targets are both given; expected one of them")
    if "target" in record:
        return [pictures.named(record["target"], f"{where}: target")]
    names = list_in(record["targets"], f"{where}: targets") if "targets" in record else []
    targets = [pictures.named(name, f"{where}: targets[{position}]") for position, name in enumerate(names)]
    if len(set(targets)) < len(targets):
        raise InputError(f"{where}: targets: a picture is named twice")
    return targets


def _facts(record: Mapping[str, Any], answers: tuple[str, ...], where: str) -> dict[str, str]:
    given = record.get("facts", {})
    if not isinstance(given, dict):
        raise InputError(f"{where}: facts: expected an object, found {shown(given)}")
    facts = {
        identifier(text_in(name, f"{where}: facts"), f"{where}: facts"): scalar_in(value, f"{where}: facts.{name}")
        for name, value in given.items()
    }
    if "right" in record:
        right = record["right"]
        if not isinstance(right, int) or isinstance(right, bool) or not 0 <= right < len(answers):
            raise InputError(
                f"{where}: right: expected the position of the right one of {len(answers)} answers, from 0, found"
                f" {shown(right)}"
            )
        if facts.get("gt_index", str(right)) != str(right):
            raise InputError(f"{where}: right: {right}, but facts.gt_index is {facts['gt_index']}; leave one out")
        facts["gt_index"] = str(right)
    return facts
