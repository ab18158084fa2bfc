"""Adapters: real models behind the shared interface.

An adapter module is light to import and has

- `Settings`: a pydantic model of the `[settings]` table of its cards, which forbids unknown keys;
- `check(weights, settings)`: what can be known before loading, such as missing files or arguments that do not fit;
- `load(weights, settings, device)`: the model, an object that implements the protocols of `gill_bench.interfaces`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel, ValidationError

from gill_bench.cards import ModelCard, explain
from gill_bench.errors import InputError
from gill_bench.files import digest
from gill_bench.registry import registered

GROUP = "gill_bench.models"
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
    return cast(Adapter, registered("adapter", card.adapter, BUILTIN, GROUP))


def adapter_file(card: ModelCard) -> Path | None:
    """The Python file of an adapter given as `file.py` or `file.py:Name`, relative to the card; None for a name."""
    file, _, _ = card.adapter.partition(".py")
    return Path(card.home) / f"{file}.py" if ".py" in card.adapter else None


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
    """Run a user's own file: it is named in a card that the user wrote, as a module would be in an import."""
    file = adapter_file(card)
    assert file is not None
    if not file.is_file():
        raise InputError(f"{card.name}: adapter = {card.adapter!r}: {file}: no such file")
    name = f"gill_bench_adapter_{digest(str(file.resolve()))[:8]}_{file.stem}"
    spec = spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules.get(name)
    if module is None:
        module = sys.modules[name] = module_from_spec(spec)  # pydantic looks annotations up there
        spec.loader.exec_module(module)
    _, _, attribute = card.adapter.partition(":")
    found = getattr(module, attribute, None) if attribute else module
    lacking = [part for part in ("Settings", "check", "load") if not hasattr(found, part)]
    if lacking:
        raise InputError(
            f"{card.name}: adapter = {card.adapter!r}: it lacks {', '.join(lacking)}; see gill_bench.models"
        )
    return cast(Adapter, found)
