"""The settings in a task card that a data set's module reads, each with its allowed values.

A reader's module lists the settings that it reads from the card's `[data.options]` table as `OPTIONS`, and those that
it reads from the `[prompt]` table as `PROMPT`; planning checks them (`check_tables`) before anything is read.
A setting has a `key`, and `of(table)` gives the value in a table, or the default, and refuses a value that is not
allowed with the allowed ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from gill_bench.cards.find import Value
from gill_bench.errors import InputError, did_you_mean

_Name = TypeVar("_Name", bound=str)


@dataclass(frozen=True)
class Choice(Generic[_Name]):
    """A setting with a few allowed names, of which the first is the default."""

    key: str
    names: tuple[_Name, ...]

    def of(self, table: Mapping[str, Value]) -> _Name:
        """The name in a table."""
        value = table.get(self.key, self.names[0])
        for name in self.names:
            if value == name:
                return name
        raise InputError(f"{self.key} = {value!r}; {did_you_mean(str(value), self.names)}")


@dataclass(frozen=True)
class Count:
    """A setting that is a whole number, 0 or more."""

    key: str
    default: int

    def of(self, table: Mapping[str, Value]) -> int:
        """The number in a table."""
        value = table.get(self.key, self.default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{self.key} = {value!r}; expected a whole number, 0 or more")
        return value


@dataclass(frozen=True)
class Text:
    """A setting that is a text."""

    key: str
    default: str

    def of(self, table: Mapping[str, Value]) -> str:
        """The text in a table."""
        value = table.get(self.key, self.default)
        if not isinstance(value, str):
            raise InputError(f"{self.key} = {value!r}; expected a text")
        return value


@dataclass(frozen=True)
class Wording:
    """A setting that words a text of the data: a name from a list, of which the first is the default, or a template.

    Attributes:
        key: The key in the card's table.
        named: The template of each name. In a template, `{}` stands where the text of the data is put.
    """

    key: str
    named: Mapping[str, str]

    def of(self, table: Mapping[str, Value]) -> str:
        """The template that a table names or gives."""
        value = table.get(self.key, next(iter(self.named)))
        template = self.named.get(value, value) if isinstance(value, str) else ""
        if template.count("{}") != 1:
            raise InputError(
                f"{self.key} = {value!r}; {did_you_mean(str(value), self.named)}, or a text with one {{}}, which stands"
                " for the text of the data"
            )
        return template

    def word(self, table: Mapping[str, Value], text: str) -> str:
        """A text of the data in the wording that a table names or gives."""
        before, _, after = self.of(table).partition("{}")
        return f"{before}{text}{after}"


def check_tables(module: object, options: Mapping[str, Value], prompt: Mapping[str, Value]) -> None:
    """Check the settings of a task card that a reader's module lists; a module may list none."""
    for name, table in (("OPTIONS", options), ("PROMPT", prompt)):
        for option in getattr(module, name, ()):
            option.of(table)
