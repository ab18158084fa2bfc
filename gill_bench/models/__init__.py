"""Adapters: real models behind the shared interface.

An adapter module is light to import and has

- `Settings`: a pydantic model of the `[settings]` table of its cards, which forbids unknown keys;
- `check(weights, settings)`: what can be known before loading, such as missing files or arguments that do not fit;
- `load(weights, settings, device)`: the model, an object that implements the protocols of `gill_bench.interfaces`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel, ValidationError

from gill_bench.cards import Value, explain
from gill_bench.errors import InputError, did_you_mean

GROUP = "gill_bench.models"
BUILTIN = {
    "gill": "gill_bench.models.gill",
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


def adapter(name: str) -> Adapter:
    """The adapter of a registered name: built in, or of an entry point in the group `gill_bench.models`."""
    if name in BUILTIN:
        return cast(Adapter, import_module(BUILTIN[name]))
    external = {point.name: point for point in entry_points(group=GROUP)}
    if name in external:
        return cast(Adapter, external[name].load())
    raise InputError(f"no adapter named {name!r}; {did_you_mean(name, [*BUILTIN, *external])}")


def check_settings(name: str, settings: Mapping[str, Value], where: str) -> BaseModel:
    """Validate a card's settings against its adapter's schema.

    Raises:
        InputError: With the key and the allowed values.
    """
    schema = adapter(name).Settings
    try:
        return schema.model_validate(dict(settings))
    except ValidationError as error:
        raise InputError(f"{where}: settings: {explain(error, schema)}") from error
