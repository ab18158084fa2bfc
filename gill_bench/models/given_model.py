"""Models that are given from Python as a class or an object: `gill_bench.run("vist", models=[MyModel])`.

They are what they would be if their file were named: the digest of the source file and the settings tell their outputs
from others. The settings of an object are the values with which it was constructed, as far as they are numbers, texts
or bools; it has to keep each as an attribute of the argument's name, with or without an underscore before it. What it
holds besides, such as weights, is no part of its identity: another name tells it apart, `models={"mine-v2": model}`.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from gill_bench.cards.schema import ModelCard
from gill_bench.cards.user_files import dashed
from gill_bench.errors import InputError
from gill_bench.models.class_adapter import (
    DEVICE,
    ClassAdapter,
    capabilities_of,
    card_of,
    execution_only_of,
    file_of,
    schema_of,
)
from gill_bench.storage.digests import digest, digest_file

Value = bool | int | float | str


def card_of_given(model: object, name: str = "") -> ModelCard:
    """Make a card from a class or an object.

    Args:
        model: A class, or an object of one, with the methods of `gill_bench.interfaces`.
        name: The name in rows; "" for that of the class.

    Raises:
        InputError: It is no model, its source is not known, or an object does not keep an argument of its constructor.
    """
    kind = model if inspect.isclass(model) else type(model)
    where = f"models: {kind.__name__}"
    capabilities_of(kind, where)  # or it is no model at all
    file = file_of(kind)
    adapter = f"{file.name if file else 'python'}:{kind.__name__}"
    settings = ClassAdapter(kind, where).defaults if inspect.isclass(model) else _settings_of(model, where)
    card = card_of(
        kind, name or dashed(kind.__name__, where), adapter, str(file.parent) if file else "", where, settings
    )
    code_digest(card.model_copy(update={"given": model}))  # or the source is not known
    return card.model_copy(update={"given": model})


def code_digest(card: ModelCard) -> str:
    """The SHA-256 of the source of a given model: of its file, or of the class alone where there is none.

    Raises:
        InputError: The source is not known.
    """
    kind = card.given if inspect.isclass(card.given) else type(card.given)
    file = file_of(kind)
    if file is not None:
        return digest_file(file)
    source = _source_of_cell(kind)
    if source is None:
        raise InputError(
            f"models: {kind.__name__}: its source cannot be read, which tells its outputs from those of other versions;"
            " write the class into a file"
        )
    return digest(source)


def _source_of_cell(kind: type) -> str | None:
    """The source of a class that was typed into a cell of a notebook; None if Python does not keep the cell's text.

    `inspect.getsource` finds a class by its module's file, which a notebook lacks, but a function by its code.
    """
    for method in filter(inspect.isfunction, vars(kind).values()):
        try:
            lines, number = inspect.findsource(method)
            tree = ast.parse("".join(lines))
        except (OSError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.lineno <= number + 1 <= (node.end_lineno or 0):
                return "".join(lines[node.lineno - 1 : node.end_lineno])
    return None


class GivenAdapter:
    """The adapter of an object, with `Settings`, `check` and `load` like an adapter module."""

    def __init__(self, model: object, name: str) -> None:
        self._model, self._name = model, name
        where = f"models: {type(model).__name__}"
        self._values = _settings_of(model, where)
        self.Settings = schema_of(type(model), self._values, execution_only_of(type(model), where, self._values))

    def check(self, weights: Mapping[str, Path], settings: BaseModel) -> None:
        """Refuse other settings than those with which the object was constructed.

        Raises:
            InputError: A setting differs.
        """
        for name, value in settings.model_dump(by_alias=True).items():
            if value != self._values[name]:
                raise InputError(
                    f"{self._name}: {name} = {value!r} was asked for, but the object was constructed with"
                    f" {self._values[name]!r}; construct it with {value!r}, or give its class, which takes settings"
                )

    def load(self, weights: Mapping[str, Path], settings: BaseModel, device: str) -> object:
        """The object itself."""
        return self._model


def _settings_of(model: object, where: str) -> dict[str, Value]:
    """The arguments of an object's constructor that are numbers, texts or bools, by the attributes that keep them."""
    values: dict[str, Value] = {}
    for name, parameter in inspect.signature(type(model)).parameters.items():
        if name == DEVICE or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        attribute = next((text for text in (name, f"_{name}") if hasattr(model, text)), None)
        value: Any = getattr(model, attribute) if attribute else parameter.default
        if attribute is None and isinstance(parameter.default, Value):
            raise InputError(
                f"{where}: the object does not keep its argument {name!r}, which tells its outputs from others;"
                f" keep it (self.{name} = {name}), or give the class and settings"
            )
        if isinstance(value, Value):
            values[name] = value
    return values
