"""Adapters: real models behind the shared interface.

An adapter module is light to import and has

- `Settings`: a pydantic model of the `[settings]` table of its cards, which forbids unknown keys;
- `check(weights, settings)`: what can be known before loading, such as missing files or arguments that do not fit;
- maybe `unused(weights)`: settings that do nothing with these weights, with the reason;
- `load(weights, settings, device)`: the model, an object that implements the protocols of `gill_bench.interfaces`.

A class that implements the protocols itself needs none of these: see `gill_bench.models.class_adapter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isclass
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel, ValidationError

from gill_bench.cards.find import ModelCard, explain
from gill_bench.cards.registry import registered
from gill_bench.errors import InputError, did_you_mean
from gill_bench.models.class_adapter import GROUP, ClassAdapter, is_adapter, run_file

BUILTIN = {
    "causal-lm": "gill_bench.models.causal_lm",
    "clip": "gill_bench.models.clip",
    "fromage": "gill_bench.models.fromage",
    "gill": "gill_bench.models.gill",
    "glide": "gill_bench.models.glide",
    "label-rule": "gill_bench.models.label_rule",
    "stable-diffusion": "gill_bench.models.stable_diffusion",
}


class Adapter(Protocol):
    """What an adapter module provides."""

    Settings: type[BaseModel]

    def check(self, weights: Mapping[str, Path], settings: Any) -> None:
        """Raise `InputError` for anything that is wrong and can be known before loading."""

    def load(self, weights: Mapping[str, Path], settings: Any, device: str) -> object:
        """Load the model.

        Args:
            weights: Local folder or file by component name, as the card names them.
            settings: An instance of `Settings`.
            device: A torch device, such as "cpu" or "cuda:0".

        Raises:
            InputError: The weights are damaged or do not fit together; names the file and the key.
        """


def adapter(card: ModelCard) -> Adapter:
    """The adapter that a card names: built in, of an entry point in the group `gill_bench.models`, or in a file.

    Raises:
        InputError: There is none of this name, or the file cannot be loaded.
    """
    if adapter_file(card) is not None:
        return _from_file(card)
    return _as_adapter(registered("adapter", card.adapter, BUILTIN, GROUP), card)


def adapter_file(card: ModelCard) -> Path | None:
    """The Python file of an adapter given as `file.py` or `file.py:Name`, relative to the card; None for a name."""
    file, _, _ = card.adapter.partition(".py")
    return Path(card.home) / f"{file}.py" if ".py" in card.adapter else None


def setting_names(card: ModelCard) -> tuple[str, ...]:
    """Every setting that a model has: those of its adapter's schema, whether or not the card names them.

    Raises:
        InputError: The adapter cannot be loaded.
    """
    fields = adapter(card).Settings.model_fields
    return tuple(dict.fromkeys([*card.settings, *(field.alias or name for name, field in fields.items())]))


def unused_settings(card: ModelCard, weights: Mapping[str, Path]) -> dict[str, str]:
    """Settings that do nothing with these weights, and why, as the adapter's own `unused` says if it has one."""
    unused = getattr(adapter(card), "unused", None)
    return dict(unused(weights)) if unused is not None else {}


def check_settings(card: ModelCard) -> BaseModel:
    """Validate a card's settings against its adapter's schema.

    Raises:
        InputError: With the key and the allowed values.
    """
    schema = adapter(card).Settings
    try:
        return schema.model_validate(dict(card.settings))
    except ValidationError as error:
        raise InputError(f"{card.name}: settings: {explain(error, schema)}") from error


def _from_file(card: ModelCard) -> Adapter:
    """What a user's own file offers: it is named by the user, as a module would be in an import."""
    file = adapter_file(card)
    assert file is not None
    if not file.is_file():
        raise InputError(f"{card.name}: adapter = {card.adapter!r}: {file}: no such file")
    module = run_file(file)
    _, _, attribute = card.adapter.partition(":")
    found = getattr(module, attribute, None) if attribute else module
    if found is None:
        raise InputError(
            f"{card.name}: adapter = {card.adapter!r}: {file} has no {attribute!r};"
            f" {did_you_mean(attribute, [name for name in vars(module) if not name.startswith('_')])}"
        )
    return _as_adapter(found, card)


def _as_adapter(found: object, card: ModelCard) -> Adapter:
    """An adapter as it is, or that of a class."""
    if is_adapter(found):
        return cast(Adapter, found)
    if isclass(found):
        return cast(Adapter, ClassAdapter(found, card.adapter, tuple(card.weights)))
    lacking = [part for part in ("Settings", "check", "load") if not hasattr(found, part)]
    raise InputError(f"{card.name}: adapter = {card.adapter!r}: it lacks {', '.join(lacking)}; see gill_bench.models")
