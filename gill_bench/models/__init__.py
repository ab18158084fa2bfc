"""Adapters: real models behind the shared interface.

An adapter module is light to import and has

- `Settings`: a pydantic model of the `[settings]` table of its cards, which forbids unknown keys; fields that change
  nothing that comes out are marked (`gill_bench.models.execution_only`);
- `check(weights, settings)`: raises an error for anything wrong that shows before loading, such as a missing file;
- optionally `notes(settings)`: sentences that every table of the model must say;
- optionally `ASKS_A_SERVER = True`: its models ask a server, which a run with all models does not do by itself;
- optionally `unused(weights)`: settings that change nothing with these weights, each with the reason;
- optionally `describe(weights, settings)`: what is known of the model before it is loaded (`Described`);
- optionally `ORIGINAL_PICTURES = True`: its models get the pictures of prompts as they are, and not squashed to the
  `picture_size` of a task's card, unless the user sets that (references of metrics keep the task's size);
- `load(weights, settings, device)`: returns the model, which implements protocols of `gill_bench.interfaces`.

A class that implements the protocols itself needs no such module: see `gill_bench.models.class_adapter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from inspect import isclass
from pathlib import Path
from typing import Any, Protocol, cast

from pydantic import BaseModel

from gill_bench.cards.find import ModelCard, validated
from gill_bench.cards.registry import registered
from gill_bench.cards.user_files import file_part, from_file, names_a_class
from gill_bench.errors import InputError
from gill_bench.models.class_adapter import GROUP, ClassAdapter, is_adapter
from gill_bench.models.described import Described
from gill_bench.models.given_model import GivenAdapter, code_digest
from gill_bench.storage.digests import digest_file

BUILTIN = {
    "causal-lm": "gill_bench.models.causal_lm",
    "clip": "gill_bench.models.clip",
    "diffusers": "gill_bench.models.any_pipeline",
    "fromage": "gill_bench.models.fromage",
    "gill": "gill_bench.models.gill",
    "glide": "gill_bench.models.glide",
    "image-text-to-text": "gill_bench.models.image_text_to_text",
    "imported": "gill_bench.models.imported",
    "label-rule": "gill_bench.models.label_rule",
    "openai-api": "gill_bench.models.openai_api",
    "stable-diffusion": "gill_bench.models.stable_diffusion",
}


class Adapter(Protocol):
    """The members of an adapter module."""

    Settings: type[BaseModel]

    def check(self, weights: Mapping[str, Path], settings: Any) -> None:
        """Raise `InputError` for anything wrong that shows before the weights are loaded."""

    def load(self, weights: Mapping[str, Path], settings: Any, device: str) -> object:
        """Load the model.

        Args:
            weights: Local folder or file of each component, by the component's name in the card.
            settings: An instance of `Settings`.
            device: A torch device, such as "cpu" or "cuda:0".

        Raises:
            InputError: The weights are damaged or do not fit together; names the file and the key.
        """


def adapter(card: ModelCard) -> Adapter:
    """The adapter that a card names: a built-in one, an entry point of the group `gill_bench.models`, or a file.

    Raises:
        InputError: No adapter has this name, or the file cannot be run.
    """
    if card.given is not None:
        given = ClassAdapter(card.given, card.adapter) if isclass(card.given) else GivenAdapter(card.given, card.name)
        return cast(Adapter, given)
    if names_a_class(card.adapter):
        where = f"{card.name}: adapter = {card.adapter!r}"
        return _as_adapter(from_file(card.adapter, Path(card.home), where), card)
    return _as_adapter(registered("adapter", card.adapter, BUILTIN, GROUP), card)


def digest_of_code(card: ModelCard) -> str:
    """The SHA-256 of a user's own code: of the file that the adapter names, or of a given class; else ""."""
    if card.given is not None:
        return code_digest(card)
    return digest_file(Path(card.home) / file_part(card.adapter)) if names_a_class(card.adapter) else ""


def setting_names(card: ModelCard) -> tuple[str, ...]:
    """The names of all settings of a model: those that its card sets, then the others of its adapter's schema."""
    fields = adapter(card).Settings.model_fields
    return tuple(dict.fromkeys([*card.settings, *(field.alias or name for name, field in fields.items())]))


def unused_settings(card: ModelCard, weights: Mapping[str, Path]) -> dict[str, str]:
    """Settings that change nothing with these weights, each with the reason, from the adapter's `unused`, if any."""
    unused = getattr(adapter(card), "unused", None)
    return dict(unused(weights)) if unused is not None else {}


def notes_of(card: ModelCard) -> list[str]:
    """Sentences that every table of a model with these settings must say, from the adapter's `notes`, if any."""
    notes = getattr(adapter(card), "notes", None)
    return list(notes(check_settings(card))) if notes is not None else []


def asks_a_server(card: ModelCard) -> bool:
    """Whether a model asks a server, so that it runs only when it is named."""
    return bool(getattr(adapter(card), "ASKS_A_SERVER", False))


def described(card: ModelCard, weights: Mapping[str, Path], settings: BaseModel) -> Described:
    """The description of a model by its adapter's `describe`; of an adapter without it, the card's settings alone."""
    describe = getattr(adapter(card), "describe", None)
    if describe is None:
        return Described(card.settings)
    known: Described = describe(weights, settings)
    return known


def wants_original_pictures(card: ModelCard) -> bool:
    """Whether a model gets the pictures of prompts as they are where the user sets no `picture_size`."""
    return bool(getattr(adapter(card), "ORIGINAL_PICTURES", False))


def check_settings(card: ModelCard) -> BaseModel:
    """Validate a card's settings against its adapter's schema."""
    return validated(adapter(card).Settings, card.settings, card.name)


def _as_adapter(offered: object, card: ModelCard) -> Adapter:
    """The adapter in a module: the module itself, or one around a class."""
    if is_adapter(offered):
        return cast(Adapter, offered)
    if isclass(offered):
        return cast(Adapter, ClassAdapter(offered, card.adapter, tuple(card.weights)))
    lacking = [part for part in ("Settings", "check", "load") if not hasattr(offered, part)]
    raise InputError(f"{card.name}: adapter = {card.adapter!r}: it lacks {', '.join(lacking)}; see gill_bench.models")
