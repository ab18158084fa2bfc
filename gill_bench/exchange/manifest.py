"""The list of outputs in a folder: `manifest.jsonl`, one JSON object a line, written by exports and read by imports."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gill_bench.datasets.files import file_name, is_encodable, shown
from gill_bench.datasets.prompt_lines import numbered_records, refuse_unknown, text_in
from gill_bench.errors import InputError
from gill_bench.storage.json import to_json

MANIFEST = "manifest.jsonl"
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One output, a line of the list.

    Attributes:
        id: The example's id.
        seed: The seed; 0 if the line has none.
        file: The output's file, from the folder of the list; "" for an output that stands in the line itself.
        text: The output, if it is a text and has no file.
        sha256: The SHA-256 of the file; "" if the line does not say.
        given: The digest of what the model was given for the example; "" if the line does not say.
        task: The task that the output belongs to; "" if the line does not say. `model` and `context` are like it.
        model: The model that made it.
        context: The context in which it was made.
        flagged: Whether the model's safety checker blackened the picture.
        truncated: Whether the model had to cut the prompt.
    """

    id: str
    seed: int = 0
    file: str = ""
    text: str | None = None
    sha256: str = ""
    given: str = ""
    task: str = ""
    model: str = ""
    context: str = ""
    flagged: bool = False
    truncated: bool = False

    def line(self) -> str:
        """The line of the list, without what it does not say."""
        values = {name: value for name, value in asdict(self).items() if value or name in ("id", "seed")}
        return to_json({**values, **({} if self.text is None else {"text": self.text})})


_FIELDS = tuple(field.name for field in fields(ManifestEntry))


def read_manifest(file: Path) -> Iterator[tuple[str, ManifestEntry]]:
    """The outputs that a list names, each with file and line for errors.

    Raises:
        InputError: The list is malformed; the message has file, line and field.
    """
    for where, raw in numbered_records(file):
        refuse_unknown(raw, _FIELDS, where)
        record = {name: value for name, value in raw.items() if value is not None}
        values: dict[str, Any] = {"id": _id(record, where), "seed": _seed(record, where)}
        if ("file" in record) == ("text" in record):
            raise InputError(f"{where}: expected either file (a path from the folder) or text")
        if "file" in record:
            values["file"] = file_name(text_in(record["file"], f"{where}: file"), f"{where}: file")
        else:
            text = values["text"] = record["text"]
            if not isinstance(text, str) or not is_encodable(text):
                raise InputError(f"{where}: text: expected a text, found {shown(text)}")
        for name in ("given", "task", "model", "context"):
            if name in record:
                values[name] = text_in(record[name], f"{where}: {name}")
        if "sha256" in record:
            if not isinstance(record["sha256"], str) or not _SHA256.fullmatch(record["sha256"]):
                raise InputError(f"{where}: sha256: expected 64 hexadecimal digits, found {shown(record['sha256'])}")
            values["sha256"] = record["sha256"]
        for name in ("flagged", "truncated"):
            if not isinstance(record.get(name, False), bool):
                raise InputError(f"{where}: {name}: expected true or false, found {shown(record[name])}")
            values[name] = record.get(name, False)
        yield where, ManifestEntry(**values)


def _id(record: dict[str, Any], where: str) -> str:
    if "id" not in record:
        raise InputError(f"{where}: id: the field is missing")
    value = record["id"]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_in(value, f"{where}: id")


def _seed(record: dict[str, Any], where: str) -> int:
    seed = record.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise InputError(f"{where}: seed: expected a whole number, 0 or more, found {shown(seed)}")
    return seed
