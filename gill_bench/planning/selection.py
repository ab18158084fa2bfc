"""Names of models, contexts and settings are looked up, and a model is refused where its card does not fit."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from gill_bench.cards.find import Cards, ModelCard, TaskCard, Value
from gill_bench.cards.limits import LARGEST
from gill_bench.cards.user_files import names_a_class
from gill_bench.datasets import Context, dataset
from gill_bench.datasets.controls import LIST, parse_context
from gill_bench.errors import InputError, did_you_mean
from gill_bench.interfaces import ASKED_BY_DEFAULT, CAPABILITY_OF, Capability, OutputKind
from gill_bench.models.class_adapter import card_of_class, card_of_entry_point, entry_point_names, row_name
from gill_bench.storage.reading import shorten


def output_kind(card: TaskCard, context: Context) -> OutputKind:
    """The kind of output that a model is asked for in a context of a task."""
    return context.asks or ASKED_BY_DEFAULT[card.capability]


def capability_of(card: TaskCard, context: Context) -> Capability:
    """The capability that a model needs in a context of a task."""
    return CAPABILITY_OF[output_kind(card, context)]


def choose_contexts(card: TaskCard, names: Sequence[str]) -> list[Context]:
    """Parse context names; a name of the card's lists (`paper`, `sweep`, `controls`) stands for the list.

    `all` stands for all lists but `controls`, which a run has only where it is named.

    Raises:
        InputError: A name is neither a list nor a context.
    """
    reader = dataset(card.data.format)
    chosen: dict[str, Context] = {}
    for name in names:
        if name == "all":
            parts: Iterable[str] = [part for key, group in card.contexts.items() if key != LIST for part in group]
        else:
            parts = card.contexts.get(name, (name,))
        for part in parts:
            try:
                context = parse_context(reader, part)
            except InputError as error:
                raise InputError(
                    f"{error}\nor one of the lists {', '.join(map(repr, [*card.contexts, 'all']))}"
                ) from error
            chosen[context.name] = context
    return list(chosen.values())


def choose_models(cards: Cards, models: Sequence[str | ModelCard], tasks: Sequence[TaskCard]) -> list[ModelCard]:
    """The named models, or all models; variants are among all models only if some task has contexts for them.

    Args:
        cards: Where names are looked up.
        models: Names, or cards of models that were given from Python.
        tasks: The tasks of the command.

    Raises:
        InputError: A name is unknown, or two models have the same name.
    """
    names = [model for model in models if isinstance(model, str)]
    shown = [model if isinstance(model, str) else model.name for model in models]
    for word in ("all", "none"):
        if word in names and set(shown) != {word}:
            others = [name for name in shown if name != word]
            raise InputError(f"--models {','.join(shown)}: {word!r} stands alone; leave it out, or {', '.join(others)}")
    if set(shown) == {"none"}:
        return []
    if set(shown) == {"all"}:
        variants = any(task.variants for task in tasks)
        return [card for card in cards.models() if variants or not card.extends]
    chosen = [model_card(cards, name) for name in dict.fromkeys(names)]
    chosen += [model for model in models if isinstance(model, ModelCard)]
    for card in chosen:
        if sum(other.name == card.name for other in chosen) > 1:
            raise InputError(f"two models are called {card.name!r}, by which rows tell them apart; rename one")
        if card.given is not None and card.name in cards.files["model"]:
            raise InputError(f"models: {card.name!r} is another model's name already; give it one: {{'NAME': model}}")
    return chosen


def model_card(cards: Cards, name: str) -> ModelCard:
    """The card of a model: by name, by path, or made from a class that a file or an installed package offers.

    Args:
        cards: Where names are looked up.
        name: A card's name or path, `file.py:Class`, or a name in the entry point group `gill_bench.models`.

    Raises:
        InputError: There is no such model, or the class is none.
    """
    if names_a_class(name):
        card = card_of_class(name)
        if card.name in cards.files["model"]:
            raise InputError(f"{name}: {card.name!r} in tables is another model's name already; rename the class")
        return card
    if not name.endswith(".toml") and name not in cards.files["model"]:
        offered = card_of_entry_point(name)
        if offered is not None:
            return offered
        raise InputError(
            f"no model named {name!r}; {did_you_mean(name, [*cards.files['model'], *entry_point_names()])}"
        )
    return cards.model(name)


def cannot_reason(model: ModelCard, task: TaskCard, context: Context) -> str:
    """The reason, known from its card alone, why a model cannot be asked in a context; "" if it can."""
    capability = capability_of(task, context)
    if capability not in model.capabilities:
        return f"{model.name} is no {capability}"
    unread = sorted(context.inputs - set(model.reads(capability)))
    if not unread:
        return ""
    elsewhere = any(unread[0] in model.reads(other) for other in model.capabilities)
    return f"{model.name} reads no {unread[0]}s" + (f" as {capability}" if elsewhere else "")


def parse_settings(pairs: Iterable[str], known: Iterable[str]) -> dict[str, dict[str, Value]]:
    """Parse `--set CARD.KEY=VALUE` options; a value that is not JSON is a text.

    Raises:
        InputError: A text has another form, or no task or model of the command has this name.
    """
    settings: dict[str, dict[str, Value]] = {}
    names = set(known)
    for pair in pairs:
        target, equals, text = pair.partition("=")
        card, dot, key = target.rpartition(".")
        if not (equals and dot and card and key):
            raise InputError(f"--set {pair}: expected CARD.KEY=VALUE, such as gill.guidance_scale=3.0")
        if card not in names and row_name(card) in names:  # a class by its own name
            card = row_name(card)
        if card not in names:
            raise InputError(
                f"--set {pair}: {card!r} is neither a task nor a model of this command; {did_you_mean(card, names)}"
            )
        value = setting_value(text, f"--set {shorten(target)}")
        values = settings.setdefault(card, {})
        if key in values and values[key] != value:
            raise InputError(f"--set {card}.{key}: given twice, as {values[key]!r} and {value!r}; leave one out")
        values[key] = value
    return settings


def setting_value(text: str, where: str) -> Value:
    """The value of a `--set` option: a JSON text, number, true or false; any other text stands for itself.

    Raises:
        InputError: The value is a number that is not finite or needs more than 64 bits.
    """
    number = re.fullmatch(r"-?\d+", text)
    value: Any = text
    with suppress(json.JSONDecodeError, RecursionError):
        value = LARGEST + 1 if number and len(text) > 20 else json.loads(text)
    if (isinstance(value, int) and abs(value) > LARGEST) or (isinstance(value, float) and not math.isfinite(value)):
        raise InputError(f"{where}={shorten(text)}: expected a finite number of at most 64 bits")
    return value if isinstance(value, bool | int | float | str) else text
