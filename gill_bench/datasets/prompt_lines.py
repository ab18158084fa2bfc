"""Reading the lines of a list of prompts: text or JSON lines, with errors that name file, line and field."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gill_bench.datasets.files import is_encodable, shown
from gill_bench.errors import InputError, did_you_mean
from gill_bench.storage.reading import json_value, read_bytes


class NumberedLine(NamedTuple):
    """A line of a file.

    Attributes:
        where: File and line, for errors.
        text: The line without its end.
    """

    where: str
    text: str


class NumberedRecord(NamedTuple):
    """A line of JSON lines: file and line, for errors, and the object that the line holds."""

    where: str
    record: dict[str, Any]


def utf8_text(file: Path) -> str:
    """The text of a file without a byte order mark.

    Raises:
        InputError: The file is missing, no regular file, not UTF-8, or has zero bytes; the message has the line.
    """
    content = read_bytes(file)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{file}, line {line}: not UTF-8 (byte {content[error.start]:#04x}); save the file as UTF-8"
        ) from error
    if (zero := text.find("\0")) >= 0:
        line = text.count("\n", 0, zero) + 1
        raise InputError(f"{file}, line {line}: a zero byte, which no text has; is it UTF-16? save the file as UTF-8")
    return text


def numbered_lines(file: Path) -> list[NumberedLine]:
    """The lines of a text file, ended by LF or CR LF; empty lines at the end do not count.

    Raises:
        InputError: The file cannot be read, has no line with a text, has an empty line between others, or a line that
            a carriage return alone ends.
    """
    lines = [line.removesuffix("\r") for line in utf8_text(file).split("\n")]
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise InputError(f"{file}: the file is empty, or has empty lines alone")
    numbered = [NumberedLine(f"{file}, line {number}", line) for number, line in enumerate(lines, start=1)]
    for line in numbered:
        if not line.text.strip():
            raise InputError(f"{line.where}: an empty line; take it out, because lines are counted")
        if "\r" in line.text:
            raise InputError(
                f"{line.where}: a carriage return without a line feed; save the file with lines ended by LF or CR LF"
            )
    return numbered


def numbered_records(file: Path) -> Iterator[NumberedRecord]:
    """The objects of a file of JSON lines.

    Raises:
        InputError: The file cannot be read, or a line is no JSON object, or has a key twice.
    """
    lines = numbered_lines(file)
    if lines[0].text.strip() in ("{", "[") or lines[0].text.lstrip().startswith("["):
        raise InputError(
            f"{lines[0].where}: a list, or an object over several lines; expected one whole JSON object a line, as"
            f" written by jq -c '.[]' FILE > {file.name}"
        )
    for line in lines:
        record = json_value(line.text, line.where, of_line=True)
        if not isinstance(record, dict):
            raise InputError(f"{line.where}: expected a JSON object, found {shown(record)}")
        yield NumberedRecord(line.where, record)


def refuse_unknown(record: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    """Refuse the fields of an object that nobody reads.

    Raises:
        InputError: A field is unknown; offers the nearest known one.
    """
    names = list(known)
    for name in record:
        if name not in names:
            raise InputError(f"{where}: unknown field {shown(name)}; {did_you_mean(name, names)}")


def text_in(value: Any, where: str) -> str:
    """Check that a value is a text that says something, and return it.

    Raises:
        InputError: The value is no text, blank, or has half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise InputError(f"{where}: expected a text, found {shown(value)}")
    if not value.strip():
        raise InputError(f"{where}: the text is empty")
    if not is_encodable(value):
        raise InputError(f"{where}: half of a surrogate pair, which is no text: {shown(value)}")
    return value


def list_in(value: Any, where: str) -> list[Any]:
    """Check that a value is a list with something in it, and return it.

    Raises:
        InputError: The value is no list, or an empty one.
    """
    if not isinstance(value, list):
        raise InputError(f"{where}: expected a list, found {shown(value)}")
    if not value:
        raise InputError(f"{where}: the list is empty; leave the field out instead")
    return value


def scalar_in(value: Any, where: str) -> str:
    """A text, finite number, true or false as a text.

    Raises:
        InputError: The value is something else, such as NaN.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return str(value)
    if isinstance(value, str) and is_encodable(value):
        return value
    raise InputError(f"{where}: expected a text, a finite number, true or false, found {shown(value)}")
