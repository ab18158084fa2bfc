"""Finding and reading cards: the TOML files that describe tasks, models, tables and published numbers.

Cards are data. They name code by its registered name and contain no logic. An unknown key is an error that offers the
nearest known key. Nothing heavy is imported, so that listing and planning answer at once.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from gill_bench.cards.limits import LARGEST
from gill_bench.cards.schema import (
    SCHEMA_VERSION,
    MetricSpec,
    ModelCard,
    PublishedCard,
    PublishedNumber,
    ReportCard,
    ReportColumn,
    ReportRow,
    TaskCard,
    Value,
)
from gill_bench.cards.sources import Component
from gill_bench.errors import InputError, choose_from_all, did_you_mean
from gill_bench.storage.reading import has_controls, read_text, shorten

__all__ = [
    "Card",
    "Cards",
    "Component",
    "MetricSpec",
    "ModelCard",
    "PublishedCard",
    "PublishedNumber",
    "ReportCard",
    "ReportColumn",
    "ReportRow",
    "TaskCard",
    "Value",
    "builtin_folder",
    "explain",
    "override",
    "read_card",
    "validated",
]

_NUMBERS = "expected a finite number of at most 64 bits"
CARDS_VARIABLE = "GILL_BENCH_CARDS"
Card = TaskCard | ModelCard | ReportCard | PublishedCard
_FOLDERS: dict[str, str] = {"task": "tasks", "model": "baselines", "report": "reports"}


def builtin_folder() -> Path:
    """The folder with `tasks`, `baselines` and `reports`: the wheel's, or the repository's in an editable install."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "_cards", package.parent):
        if (folder / "tasks").is_dir() and (folder / "baselines").is_dir():
            return folder
    raise InputError(f"no cards beside {package.name}: the installation is incomplete; install gill-bench again")


class Cards:
    """All cards: the built-in ones, then those in folders of GILL_BENCH_CARDS, then those in folders of `--cards`.

    If several cards have the same kind and name, the last one counts.

    Args:
        folders: Additional folders. Each holds `tasks`, `baselines` and `reports`, or cards directly.

    Raises:
        InputError: A folder does not exist.
    """

    def __init__(self, folders: Iterable[Path] = ()) -> None:
        self._aliases: Mapping[str, str] = {}
        self._tasks: dict[Path, TaskCard] = {}
        variable = [Path(part) for part in os.environ.get(CARDS_VARIABLE, "").split(os.pathsep) if part]
        self.folders = [builtin_folder(), *variable, *folders]
        for folder in self.folders[1:]:
            if not folder.is_dir():
                raise InputError(f"{folder}: no such folder of cards (given by --cards or {CARDS_VARIABLE})")

    def with_aliases(self, aliases: Mapping[str, str]) -> Cards:
        """The same cards, where some models' cards are found under other names too.

        Args:
            aliases: The models' own names, by the other names.
        """
        cards = copy(self)
        cards.__dict__.pop("files", None)
        cards._aliases = {**self._aliases, **aliases}
        return cards

    @cached_property
    def files(self) -> dict[str, dict[str, Path]]:
        """Card files by kind and name."""
        files: dict[str, dict[str, Path]] = {kind: {} for kind in _FOLDERS}
        for folder in self.folders:
            for kind, sub in _FOLDERS.items():
                for file in sorted((folder / sub).glob("*.toml")):
                    files[kind][file.stem] = file
            if folder is not self.folders[0]:
                for file in sorted(folder.glob("*.toml")):
                    files[_kind_of(file)][file.stem] = file
        files["model"].pop("published", None)
        files["model"] |= {name: files["model"][own] for name, own in self._aliases.items() if own in files["model"]}
        return files

    def task(self, name: str) -> TaskCard:
        """The task card of a name or of a path to a TOML file, which is read once: a table asks for it in each cell."""
        file = self._file("task", name)
        if file not in self._tasks:
            self._tasks[file] = read_card(file, TaskCard).model_copy(update={"home": str(file.parent)})
        return self._tasks[file]

    def model(self, name: str) -> ModelCard:
        """The model card of a name or of a path to a TOML file."""
        file = self._file("model", name)
        raw = self._with_base(read_toml(file), file)
        alias = {"name": name, "title": name} if name in self._aliases else {}
        return read_card(file, ModelCard, raw).model_copy(update={"home": str(file.parent), "given": None, **alias})

    def report(self, name: str) -> ReportCard:
        """The report layout of a name or of a path to a TOML file."""
        return read_card(self._file("report", name), ReportCard)

    def tasks(self) -> list[TaskCard]:
        """All task cards, in the order of their names."""
        return [self.task(name) for name in sorted(self.files["task"])]

    def models(self) -> list[ModelCard]:
        """All model cards, in the order of their names."""
        return [self.model(name) for name in sorted(self.files["model"])]

    def reports(self) -> list[ReportCard]:
        """All report layouts, in the order of their names."""
        return [self.report(name) for name in sorted(self.files["report"])]

    def published(self) -> PublishedCard:
        """The paper's numbers, from `published.toml` of the last folder that has one."""
        return read_card(self._published_file(), PublishedCard)

    def find(self, name: str) -> tuple[Card, Path]:
        """The card of any kind with a name, or at a path, and the card's file."""
        if name.endswith(".toml"):
            file = Path(name)
            return self._read(_kind_of(file), name), file
        if name == "published":
            return self.published(), self._published_file()
        for kind, names in self.files.items():
            if name in names:
                return self._read(kind, name), names[name]
        raise InputError(f"no card named {name!r}; {did_you_mean(name, [*self.names(), 'published'])}")

    def names(self) -> list[str]:
        """The names of all cards."""
        return sorted(name for names in self.files.values() for name in names)

    def _published_file(self) -> Path:
        for folder in reversed(self.folders):
            file = folder / "baselines" / "published.toml"
            if file.is_file():
                return file
        raise InputError("baselines/published.toml is missing: the installation is incomplete")

    def _read(self, kind: str, name: str) -> Card:
        readers: dict[str, Callable[[str], Card]] = {"task": self.task, "model": self.model, "report": self.report}
        return readers[kind](name)

    def _file(self, kind: str, name: str) -> Path:
        file = Path(name) if name.endswith(".toml") else self.files[kind].get(name)
        if file is None:
            raise InputError(f"no {kind} named {name!r}; {did_you_mean(name, self.files[kind])}")
        return file

    def _with_base(self, raw: dict[str, Any], file: Path) -> dict[str, Any]:
        """The content of a card file; if it extends a model, with the fields of that model that it does not change."""
        if "extends" not in raw:
            return raw
        name = str(raw["extends"])
        base = self.files["model"].get(name)
        if base is None or base == file:
            others = set(self.files["model"]) - {file.stem}
            raise InputError(f"{file}: extends = {name!r}: no such model; {did_you_mean(name, others)}")
        content = read_toml(base)
        if "extends" in content:
            raise InputError(f"{file}: extends = {name!r}, a variant itself; extend {content['extends']!r}")
        return _with_own_weights(merge(content, raw), content, raw)


T = TypeVar("T", bound=BaseModel)


def read_card(file: Path, schema: type[T], raw: dict[str, Any] | None = None) -> T:
    """Read and check one card.

    Args:
        file: The card's file.
        schema: The model of the card's kind.
        raw: The content of the file; None to read the file.

    Raises:
        InputError: The card is wrong; the message names the file, the key and what was expected.
    """
    raw = read_toml(file) if raw is None else raw
    version = raw.get("schema", SCHEMA_VERSION)
    if version != SCHEMA_VERSION:
        raise InputError(f"{file}: schema = {version!r}, but this gill-bench reads schema = {SCHEMA_VERSION}")
    try:
        card = schema.model_validate(raw)
    except ValidationError as error:
        raise InputError(f"{file}: {explain(error, schema)}") from error
    if getattr(card, "name", file.stem) != file.stem:
        raise InputError(f"{file}: name = {card.name!r}, expected {file.stem!r}, as the file is named")  # type: ignore[attr-defined]
    return card


def validated(schema: type[T], values: Mapping[str, Any], where: str) -> T:
    """The settings of a card as a schema has them.

    Raises:
        InputError: A setting is unknown or has a value that is not allowed; names `where` and the setting.
    """
    try:
        return schema.model_validate(dict(values))
    except ValidationError as error:
        raise InputError(f"{where}: settings: {explain(error, schema)}") from error


def explain(error: ValidationError, schema: type[BaseModel]) -> str:
    """One line that describes one problem of a pydantic error, with the key and the nearest known key.

    An unknown key is described first, because it is usually the reason why another key is missing.
    """
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}; {did_you_mean(str(first['loc'][-1]), _known_keys(schema, first['loc'][:-1]))}"
    if first["type"] == "missing":
        return f"key {key!r} is missing"
    return f"{key} = {first.get('input')!r}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _known_keys(schema: type[BaseModel], location: Iterable[str | int]) -> list[str]:
    """The keys of the table at a location of a pydantic error."""
    current: Any = schema
    for part in location:
        if isinstance(part, int):
            continue
        field = next((f for n, f in current.model_fields.items() if part in (n, f.alias)), None)
        if field is None:  # a key of a free mapping, such as [weights.<component>]
            continue
        current = _table_type(field.annotation)
        if current is None:
            return []
    return [field.alias or name for name, field in current.model_fields.items() if name != "kind"]


def _table_type(annotation: Any) -> type[BaseModel] | None:
    """The first pydantic model inside an annotation such as `dict[str, X]` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in getattr(annotation, "__args__", ()):
        table = _table_type(argument)
        if table is not None:
            return table
    return None


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one card's content over another's, table by table.

    >>> merge({"a": 1, "t": {"x": 1, "y": 2}}, {"t": {"y": 3}})
    {'a': 1, 't': {'x': 1, 'y': 3}}
    """
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _with_own_weights(merged: dict[str, Any], base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A variant's content, in which components that name other weights than the base's take no field from the base.

    Otherwise the base's hub id would be downloaded if the variant's folder is missing, and run under the variant's
    name.
    """
    old, new = base.get("weights"), changes.get("weights")
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        replaced = {role: table for role, table in new.items() if _other_weights(old.get(role), table)}
        merged["weights"] = {**merged["weights"], **replaced}
    return merged


def _other_weights(base: Any, changes: Any) -> bool:
    """Whether a variant's component names other weights: another hub id, or no id and another folder."""
    if not isinstance(base, Mapping) or not isinstance(changes, Mapping):
        return False
    if changes.get("id"):
        return bool(changes["id"] != base.get("id"))
    folder = base.get("folder") or str(base.get("id", "")).rpartition("/")[2]
    return bool(changes.get("folder", folder) != folder)


def read_toml(file: Path) -> dict[str, Any]:
    """The content of a card's TOML file.

    Raises:
        InputError: The file is absent, unreadable or not TOML (the message has the position), or holds control
            characters or a number of more than 64 bits.
    """
    text = read_text(file)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{file}: not valid TOML: {error}") from error
    except ValueError as error:
        raise InputError(f"{file}: {_long_number(text)}has thousands of digits; {_NUMBERS}") from error
    except RecursionError as error:
        raise InputError(f"{file}: nested too deeply to be a card") from error
    for key, value in _values(content):
        if isinstance(value, str) and has_controls(value):
            raise InputError(f"{file}: {key} = {value[:80]!r} has control characters, which no card needs")
        if isinstance(value, int) and abs(value) > LARGEST:
            raise InputError(f"{file}: {key} has a number of more than 64 bits; {_NUMBERS}")
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{file}: {key} = {value}; {_NUMBERS}")
    return content


def _values(content: object, key: str = "") -> Iterator[tuple[str, object]]:
    """Every text and number of a card with its key; names of keys are given too, under "a key"."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield "a key", name
            yield from _values(value, f"{key}.{name}".removeprefix("."))
    elif isinstance(content, list):
        for number, value in enumerate(content):
            yield from _values(value, f"{key}[{number}]")
    else:
        yield key, content


def _long_number(text: str) -> str:
    """The beginning of a message about a number of too many digits for Python: its line and key."""
    for number, line in enumerate(text.splitlines(), start=1):
        if re.search(r"[0-9_]{4000}", line):
            key, equals, _ = line.partition("=")
            return f"line {number}: {f'{shorten(key.strip())} ' if equals else 'a number '}"
    return "a number "


def _kind_of(file: Path) -> str:
    """The kind of a card outside the three folders, by a key that only cards of that kind have."""
    raw = read_toml(file)
    marks = (("task", "capability"), ("model", "adapter"), ("model", "extends"), ("report", "columns"))
    for kind, mark in marks:
        if mark in raw:
            return kind
    raise InputError(f"{file}: neither a task ('capability'), a model ('adapter') nor a report ('columns')")


def override(
    table: Mapping[str, Value], changes: Mapping[str, Value], where: str, known: Iterable[str] | None = None
) -> dict[str, Value]:
    """A card's table with some values replaced.

    Args:
        table: A table of the card.
        changes: The new values by key.
        where: The beginning of an error message.
        known: The keys that can be set; None for the keys of the table.

    Raises:
        InputError: A key cannot be set; the message has all keys that can be.
    """
    names = sorted(table if known is None else known)
    for key in changes:
        if key not in names:
            raise InputError(f"{where}: unknown setting {key!r}; {choose_from_all(key, names)}")
    return {**table, **changes}
