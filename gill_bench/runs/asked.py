"""What was asked, resolved and checked: everything that can be known before any weights load is checked here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gill_bench.cards import Cards, ModelCard, TaskCard, Value, override
from gill_bench.datasets import Context, Dataset, Example, Picture, dataset
from gill_bench.datasets.pictures import Checked, check_pictures, repeated_content
from gill_bench.errors import InputError, did_you_mean
from gill_bench.files import digest, digest_file
from gill_bench.interfaces import Noise
from gill_bench.metrics import metric
from gill_bench.mini.embedded import NOTE_DATA, NOTE_WEIGHTS, WORLD_VERSION, world_folder
from gill_bench.models import adapter, adapter_file, check_settings
from gill_bench.noise import MODES, example_noise, shared_noise
from gill_bench.weights import MINI, Weights, find_weights

_CHOICES: dict[str, tuple[str, ...]] = {
    "noise": MODES,
    "caption_join": ("space", "segments"),
    "layout": ("story", "authors_layout"),
    "stories": ("all-pictures", "context"),
    "unreadable": ("refuse", "count"),
}


@dataclass(frozen=True)
class TaskAsked:
    """A task with its data, ready to be planned or scored.

    Attributes:
        card: As resolved: with the split, the settings and, on the mini world, its overrides.
        data: "mini", or the folder.
        limit: At most so many examples, from the start of the data; 0 for all.
        metric_weights: "mini", or the folder in which the metrics' backbones are.
        examples: The examples asked for, in the order of the data.
        available: How many there are without a limit.
        checked: What reading their pictures told.
    """

    card: TaskCard
    data: str
    limit: int
    metric_weights: str
    examples: Sequence[Example]
    available: int
    require_all_pictures: bool
    checked: Mapping[str, Checked]
    warnings: tuple[str, ...] = ()

    def context(self, name: str) -> Context:
        """A context of this task's data by name."""
        return dataset(self.card.data.format).context(name)

    def problem(self, example: Example, context: Context) -> str:
        """Why an example cannot be asked in a context, or ""."""
        needed = [part for part in self.segments(example, context) if not isinstance(part, str)]
        if self.require_all_pictures:
            needed += example.pictures
        elif example.target is not None:
            needed.append(example.target)
        for picture in needed:
            if self.checked[picture.id].problem:
                return f"picture {picture.id}: {self.checked[picture.id].problem}"
        return ""

    def usable(self, context: Context) -> list[Example]:
        """The examples that can be asked in a context, in order."""
        return [example for example in self.examples if not self.problem(example, context)]

    def segments(self, example: Example, context: Context) -> tuple[str | Picture, ...]:
        """Text and pictures of an example's prompt, in reading order."""
        return context.segments(example, self.card.prompt)

    def noise(self, seed: int, example: Example, place: int) -> Noise:
        """The noise of a sample; `place` counts the usable examples before it."""
        if self.card.prompt.get("noise") == "shared":
            return shared_noise(seed, place)
        return example_noise(seed, self.card.name, example.id)

    def example_digest(self, example: Example, context: Context, place: int) -> str:
        """SHA-256 over what a model is given for an example: texts and the content of pictures, in order."""
        parts = [
            part if isinstance(part, str) else {"picture": self.checked[part.id].sha256}
            for part in self.segments(example, context)
        ]
        return digest([parts, place] if self.card.prompt.get("noise") == "shared" else parts)

    def notes(self) -> list[str]:
        """What every table of this task must say."""
        return [NOTE_DATA] if self.data == MINI else []


@dataclass(frozen=True)
class ModelAsked:
    """A model with its weights found and its settings checked, not loaded.

    Attributes:
        card: As resolved, with settings as they will be used.
        weights: By component name.
        digests: SHA-256 of each component's files.
    """

    card: ModelCard
    weights: Mapping[str, Weights]
    digests: Mapping[str, str]

    def load(self, device: str) -> object:
        """Load the model on a device."""
        settings = check_settings(self.card)
        paths = {name: found.path for name, found in self.weights.items()}
        return adapter(self.card).load(paths, settings, device)

    def notes(self) -> list[str]:
        """What every table of this model must say."""
        return [NOTE_WEIGHTS] if any(found.stand_in for found in self.weights.values()) else []


def resolve_task(
    card: TaskCard,
    *,
    data: str,
    split: str | None,
    settings: Mapping[str, Value],
) -> TaskCard:
    """The task's card with the mini world's overrides, the split and the user's settings applied.

    Raises:
        InputError: An unknown setting or value.
    """
    mini = card.mini if data == MINI else None
    if data == MINI and mini is None:
        raise InputError(f"{card.name}: its card has no [mini] table, so it needs data: --data DIR")
    split = split or (mini.split if mini else None) or card.data.split
    tables = {"data": dict(card.data.options), "prompt": dict(card.prompt), "scoring": dict(card.scoring)}
    if mini:
        tables["data"] = override(tables["data"], mini.data, card.name)
        tables["prompt"] = override(tables["prompt"], mini.prompt, card.name)
    for key, value in settings.items():
        place = next((table for table in tables.values() if key in table), None)
        if place is None:
            known = [name for table in tables.values() for name in table]
            raise InputError(f"--set {card.name}.{key}: unknown setting; {did_you_mean(key, known)}")
        place[key] = value
    for key, allowed in _CHOICES.items():
        for table in tables.values():
            if key in table and table[key] not in allowed:
                raise InputError(f"{card.name}: {key} = {table[key]!r}; {did_you_mean(str(table[key]), allowed)}")
    size = tables["prompt"].get("picture_size", 0)
    if isinstance(size, bool) or not isinstance(size, int) or not 0 <= size <= 4096:
        raise InputError(f"{card.name}: picture_size = {size!r}; expected 0 (as it is) or pixels up to 4096")
    return card.model_copy(
        update={
            "data": card.data.model_copy(update={"split": split, "options": tables["data"]}),
            "prompt": tables["prompt"],
            "scoring": tables["scoring"],
        }
    )


def open_task(
    card: TaskCard,
    *,
    data: str,
    limit: int,
    metric_weights: str,
    progress: Callable[[str, int], Callable[[int], None]] | None = None,
) -> TaskAsked:
    """Read a task's data and check every picture that the examples asked for may need.

    Args:
        card: A resolved card.
        data: "mini" or a folder; a folder with a subfolder named like the task means that subfolder.
        limit: At most so many examples, from the start; 0 for all.
        metric_weights: "mini" or a folder.
        progress: Given a label and a total, returns a function that is called with each step done.
    """
    for spec in card.metrics:
        found = None if spec.weights is None else find_weights(spec.weights, metric_weights)
        metric(spec.name).check(found.path if found else None, spec.settings, found.label if found else "")
    if data == MINI and card.mini:
        folder = world_folder() / card.mini.folder
    else:
        folder = Path(data) / card.name if (Path(data) / card.name).is_dir() else Path(data)
    loaded: Dataset = dataset(card.data.format).load(folder, card.data.split, card.data.options)
    examples = loaded.examples[: limit or None]
    pictures = {picture.id: picture for example in examples for picture in example.pictures}
    step = progress("checking pictures", len(pictures)) if progress and pictures else None
    checked = check_pictures(pictures.values(), step)
    if card.data.options.get("unreadable") == "refuse":
        _refuse_unreadable(card.name, pictures, checked)
    warnings = [*loaded.warnings]
    repeated = repeated_content(checked)
    if repeated:
        most = max(repeated, key=len)
        warnings.append(
            f"{card.name}: {sum(map(len, repeated))} pictures share their content with another under a different id"
            f" (placeholders of removed photos?), {most[0]} with {len(most) - 1} others"
        )
    return TaskAsked(
        card,
        data,
        limit,
        metric_weights,
        examples,
        len(loaded.examples),
        loaded.require_all_pictures,
        checked,
        tuple(warnings),
    )


def _refuse_unreadable(task: str, pictures: Mapping[str, Picture], checked: Mapping[str, Checked]) -> None:
    """A missing picture is a fact of a data set; a file that is no picture is a fault of this copy."""
    there = {name: picture.file for name, picture in pictures.items() if picture.file is not None}
    bad = [f"{file}: {checked[name].problem}" for name, file in there.items() if checked[name].problem]
    if bad:
        shown = "; ".join(bad[:3]) + ("; ..." if len(bad) > 3 else "")
        raise InputError(
            f"{len(bad)} of {len(pictures)} pictures cannot be read: {shown}\n"
            "download them again, delete them, or leave their examples out and count them:"
            f" --set {task}.unreadable=count"
        )


def resolve_model(card: ModelCard, *, weights: str, settings: Mapping[str, Value]) -> ModelAsked:
    """Find a model's weights and check its settings, without loading anything.

    Raises:
        InputError: Weights are nowhere, or settings or files do not fit.
    """
    table = override(dict(card.settings), card.mini.settings if weights == MINI else {}, card.name)
    table = override(table, settings, f"--set {card.name}")
    resolved = card.model_copy(update={"settings": table})
    found = {name: find_weights(component, weights) for name, component in card.weights.items()}
    checked = check_settings(resolved)
    adapter(resolved).check({name: one.path for name, one in found.items()}, checked)
    digests = {name: one.digest() for name, one in found.items()}
    file = adapter_file(resolved)
    if file is not None:
        digests["adapter"] = digest_file(file)  # a user's own code changes what comes out, as weights do
    return ModelAsked(resolved, found, digests)


def choose_contexts(card: TaskCard, names: Sequence[str]) -> list[Context]:
    """Parse context names; a name of the card's lists (`paper`, `sweep`) stands for the list, `all` for all lists.

    Raises:
        InputError: A name is neither a list nor a context.
    """
    reader = dataset(card.data.format)
    wanted: dict[str, Context] = {}
    for name in names:
        if name == "all":
            parts: Iterable[str] = [part for group in card.contexts.values() for part in group]
        else:
            parts = card.contexts.get(name, (name,))
        for part in parts:
            try:
                context = reader.context(part)
            except InputError as error:
                raise InputError(
                    f"{error}\nor one of the lists {', '.join(map(repr, [*card.contexts, 'all']))}"
                ) from error
            wanted[context.name] = context
    return list(wanted.values())


def cannot_reason(model: ModelCard, task: TaskCard, context: Context) -> str:
    """Why a model cannot be asked in a context, known from its card alone, or ""."""
    if task.capability not in model.capabilities:
        return f"{model.name} is no {task.capability}"
    unread = sorted(context.inputs - set(model.inputs))
    return f"{model.name} reads no {unread[0]}s" if unread else ""


def choose_models(cards: Cards, names: Sequence[str], tasks: Sequence[TaskCard]) -> list[ModelCard]:
    """The named models, or all whose capabilities some task asks for; variants of a model only when they are named."""
    if list(names) == ["all"]:
        able = [card for card in cards.models() if any(task.capability in card.capabilities for task in tasks)]
        return [card for card in able if not card.extends]
    return [cards.model(name) for name in dict.fromkeys(names)]


def parse_settings(pairs: Iterable[str], known: Iterable[str]) -> dict[str, dict[str, Value]]:
    """Parse `--set CARD.KEY=VALUE` options; values are read as JSON where they are, else as text.

    Raises:
        InputError: Not of this form, or no task or model of the command has this name.
    """
    found: dict[str, dict[str, Value]] = {}
    for pair in pairs:
        target, equals, text = pair.partition("=")
        card, dot, key = target.rpartition(".")
        if not (equals and dot and card and key):
            raise InputError(f"--set {pair}: expected CARD.KEY=VALUE, such as gill.guidance_scale=3.0")
        if card not in set(known):
            raise InputError(
                f"--set {pair}: {card!r} is neither a task nor a model of this command; {did_you_mean(card, known)}"
            )
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        found.setdefault(card, {})[key] = value if isinstance(value, bool | int | float | str) else text
    return found


def world_label(data: str, card: TaskCard) -> str:
    """What the data is called in signatures."""
    return f"mini-world-{WORLD_VERSION}/{card.data.split}" if data == MINI else f"{card.data.format}/{card.data.split}"
