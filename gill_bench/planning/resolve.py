"""Tasks and models are resolved: settings are applied and checked, data is read, and weights are found, not loaded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from gill_bench.cards.find import ModelCard, TaskCard, Value, override
from gill_bench.datasets import Context, Dataset, Example, Picture, dataset
from gill_bench.datasets.controls import needs_donors
from gill_bench.datasets.donors import Donors
from gill_bench.datasets.options import check_tables
from gill_bench.datasets.pictures import Checked, check_pictures, repeated_content
from gill_bench.errors import InputError, choose_from_all
from gill_bench.metrics import metric
from gill_bench.models import (
    BUILTIN,
    adapter,
    check_settings,
    described,
    digest_of_code,
    setting_names,
    unused_settings,
)
from gill_bench.planning.candidates import as_examples
from gill_bench.planning.metrics import metrics_of_card
from gill_bench.planning.needs import check_needs
from gill_bench.planning.resolved import ResolvedModel, ResolvedTask, data_folder
from gill_bench.planning.selection import choose_contexts, output_kind
from gill_bench.planning.settings import UNREADABLE, check_settings_of_task
from gill_bench.storage.digests import digest
from gill_bench.weights.find import MINI, Weights, find_weights

_log = logging.getLogger(__name__)


class DataError(InputError):
    """Files in a task's data folder are wrong or missing."""


def resolve_task(card: TaskCard, *, data: str, split: str | None, settings: Mapping[str, Value]) -> TaskCard:
    """The task's card with the mini world's overrides, the split and the user's settings applied.

    Raises:
        InputError: An unknown setting or value.
    """
    mini = card.mini if data == MINI else None
    if data == MINI and mini is None:
        raise InputError(f"{card.name}: its card has no [mini] table, so it needs data: --data DIR")
    split = split or (mini.split if mini else None) or card.data.split
    tables = {
        "data": dict(card.data.options),
        "prompt": dict(card.prompt),
        "scoring": dict(card.scoring),
        "sampling": dict(card.sampling),
    }
    if mini:
        changes = {"data": mini.data, "prompt": mini.prompt, "scoring": mini.scoring, "sampling": mini.sampling}
        tables = {name: override(table, changes[name], card.name) for name, table in tables.items()}
    reader = dataset(card.data.format)
    # A setting of the prompt that the card leaves out has its default, and is no part of a recipe until it is set.
    unset = {option.key: option.of({}) for option in getattr(reader, "PROMPT", ()) if option.key not in card.prompt}
    for key, value in settings.items():
        table = next((table for table in tables.values() if key in table), tables["prompt"] if key in unset else None)
        if table is None:
            known = [*(name for table in tables.values() for name in table), *unset]
            raise InputError(f"--set {card.name}.{key}: unknown setting; {choose_from_all(key, known)}")
        table[key] = _of_kind(f"{card.name}.{key}", table.get(key, unset.get(key, "")), value)
    try:
        _refuse_unread(reader, tables["data"])
        check_tables(reader, tables["data"], tables["prompt"])
        check_settings_of_task(tables)
    except InputError as error:
        raise InputError(f"{card.name}: {error}") from error
    return card.model_copy(
        update={
            "data": card.data.model_copy(update={"split": split, "options": tables.pop("data")}),
            **tables,
        }
    )


def open_task(
    card: TaskCard,
    *,
    data: str,
    limit: int,
    metric_weights: str,
    contexts: Sequence[Context] = (),
    progress: Callable[[str, int], Callable[[int], None]] | None = None,
) -> ResolvedTask:
    """Read a task's data and check every picture that its examples may need.

    Args:
        card: The card, as `resolve_task` returned it.
        data: The folder of the data, or "mini"; if it has the subfolder that the card names, that one counts.
        limit: At most so many usable examples, from the start of the data; 0 for all.
        metric_weights: The folder of the metrics' backbones, or "mini".
        contexts: The contexts in which examples will be asked; if one needs donors, every example gets its own.
        progress: Starts to show progress; see `gill_bench.progress.Progress`.

    Raises:
        DataError: The data is not there, or is damaged.
        InputError: A metric cannot work with its settings or backbone.
    """
    for resolved in metrics_of_card(card, metric_weights):
        path = resolved.backbone.path if resolved.backbone else None
        resolved.module.check(path, resolved.settings, resolved.label)
    try:
        task = read_task(
            card, data=data, limit=limit, metric_weights=metric_weights, contexts=contexts, progress=progress
        )
        if UNREADABLE.of(card.data.options) == "refuse":
            _refuse_unreadable(task)
    except InputError as error:
        raise DataError(str(error)) from error
    return task


def read_task(
    card: TaskCard,
    *,
    data: str,
    limit: int = 0,
    metric_weights: str = MINI,
    contexts: Sequence[Context] = (),
    prompts_alone: bool = False,
    progress: Callable[[str, int], Callable[[int], None]] | None = None,
) -> ResolvedTask:
    """Read a task's data as `open_task` does, but accept unreadable pictures and metrics without backbones.

    With `prompts_alone`, neither candidates nor reference pictures are read: enough to ask a model, and not to score.
    """
    folder = data_folder(card, data)
    _log.info("%s: reading split %s of %s in %s", card.name, card.data.split, card.data.format, folder)
    loaded: Dataset = dataset(card.data.format).load(folder, card.data.split, card.data.options)
    _log.info("%s: %d examples", card.name, len(loaded.examples))
    all_contexts = () if prompts_alone else choose_contexts(card, ["all"])
    asks = [output_kind(card, context) for context in all_contexts]
    searches = "embeddings" in asks
    kinds = {metric(spec.name, card.home).kind for spec in card.metrics if not prompts_alone}
    if not prompts_alone:
        check_needs(card, loaded, asks)
    task = ResolvedTask(
        card,
        data,
        limit,
        metric_weights,
        loaded.examples,
        len(loaded.examples),
        loaded.require_all_pictures,
        as_examples(loaded.candidates if searches else ()),
        tuple({picture.id: picture for picture in (loaded.references if "distribution" in kinds else ())}.values()),
        {},
        loaded.warnings,
    )
    shown = any(map(needs_donors, contexts))
    donors = Donors(loaded.examples) if shown or "pairs" in kinds else None
    checked: dict[str, Checked] = {}
    unreadable = checked if UNREADABLE.of(card.data.options) == "count" else {}
    while True:  # several rounds where unreadable pictures are left out, since a limit then reaches further
        examples = _first(loaded.examples, limit, unreadable)
        task = replace(task, examples=donors.given_to(examples) if donors and shown else examples)
        pictures = {picture.id: picture for group in task.pictures().values() for picture in group}
        new = [picture for name, picture in pictures.items() if name not in checked]
        if not new:
            break
        checked.update(check_pictures(new, progress("checking pictures", len(new)) if progress else None))
    repeated = _repeated(card.name, checked) if data != MINI else ()
    others = _others(task.examples, donors) if donors and "pairs" in kinds else {}
    return replace(task, checked=checked, warnings=(*task.warnings, *repeated), others=others)


def _others(examples: Sequence[Example], donors: Donors) -> dict[str, Picture]:
    """By example, the target picture of its donor, where the data folder has it."""
    others = ((example.id, example.donor or donors.of(example)) for example in examples)
    targets = ((name, donor.target) for name, donor in others if donor is not None)
    return {name: target for name, target in targets if target is not None and target.file is not None}


def _first(examples: Sequence[Example], limit: int, checked: Mapping[str, Checked]) -> Sequence[Example]:
    """The first examples, until as many as the limit have all their pictures, as far as that is known.

    Examples between them that lack pictures stay, so that units are the same blocks of the data as without a limit.
    """
    whole = 0
    for position, example in enumerate(examples if limit else ()):
        whole += all(
            picture.file is not None and not (picture.id in checked and checked[picture.id].problem)
            for picture in example.pictures
        )
        if whole == limit:
            return examples[: position + 1]
    return examples


def resolve_model(
    card: ModelCard,
    *,
    weights: str,
    settings: Mapping[str, Value],
    sampling: Mapping[str, Value] | None = None,
    digest_of: Callable[[Weights], str] = Weights.digest,
) -> ResolvedModel:
    """Find a model's weights and check its settings, without loading anything.

    Args:
        card: The model's card.
        weights: The folder of the weights, or "mini".
        settings: The user's settings, which win over all others.
        sampling: The task's settings of models; settings that this model does not have are ignored.
        digest_of: Returns the digest of a component. Models share components: a plan of many remembers their digests.

    Raises:
        InputError: Weights are not found, or settings or files do not fit.
    """
    names = setting_names(card)
    table = override(dict(card.settings), card.mini.settings if weights == MINI else {}, card.name, names)
    table |= {key: value for key, value in (sampling or {}).items() if key in table}
    table = override(table, settings, f"--set {card.name}", names)
    resolved = card.model_copy(update={"settings": table})
    checked = check_settings(resolved)  # before anything is downloaded
    # With a variant, files count that are otherwise copies which nobody reads.
    every_file = card.adapter not in BUILTIN or bool(table.get("variant"))
    components = {name: find_weights(component, weights, whole=every_file) for name, component in card.weights.items()}
    paths = {name: component.path for name, component in components.items()}
    for name, path in paths.items():
        _log.info("%s: weights of %s: %s", card.name, name, path)
    adapter(resolved).check(paths, checked)
    idle = unused_settings(resolved, paths)
    for key in settings:
        if key in idle:
            raise InputError(f"--set {card.name}.{key}: {idle[key]}; leave it out")
    resolved = resolved.model_copy(update={"settings": {key: table[key] for key in table if key not in idle}})
    known = described(resolved, paths, check_settings(resolved))
    resolved = resolved.model_copy(update={"settings": dict(known.settings)})
    digests = {name: digest_of(component) for name, component in components.items()}
    code = digest_of_code(resolved)
    if code:  # a user's own code changes what comes out, as weights do
        digests["adapter"] = digest([code, digests["adapter"]]) if "adapter" in digests else code
    return ResolvedModel(resolved, components, digests, idle, known)


def _refuse_unread(reader: object, options: Mapping[str, Value]) -> None:
    """Refuse options of a card that the data set's reader does not list; a reader may list none."""
    known = [*(option.key for option in getattr(reader, "OPTIONS", ())), UNREADABLE.key]
    for key in options if hasattr(reader, "OPTIONS") else ():
        if key not in known:
            raise InputError(f"data.options: {key!r} is read by nobody; {choose_from_all(key, known)}")


def _of_kind(name: str, old: Value, new: Value) -> Value:
    """The new value of a setting, which must be of the same kind as the old one: text, whole number, number, bool."""
    if isinstance(old, str) and isinstance(new, int | float) and not isinstance(new, bool):
        return str(new)  # evaluator=2017 means the text, as the card has it
    kinds: tuple[tuple[type, ...], ...] = ((bool,), (str,), (int,), (float, int))
    expected = next(kind for kind in kinds if isinstance(old, kind))
    if not isinstance(new, expected) or (isinstance(new, bool) and not isinstance(old, bool)):
        raise InputError(f"--set {name}={new}: expected a value such as {old!r}")
    return new


def _refuse_unreadable(task: ResolvedTask) -> None:
    """Refuse unreadable pictures: a data set may lack pictures, but a file that is none is a damaged copy."""
    pictures = {picture.id: picture for group in task.pictures().values() for picture in group}
    files = {name: picture.file for name, picture in pictures.items() if picture.file is not None}
    bad = [f"{file}: {task.checked[name].problem}" for name, file in files.items() if task.checked[name].problem]
    if bad:
        shown = "; ".join(bad[:3]) + ("; ..." if len(bad) > 3 else "")
        raise InputError(
            f"{len(bad)} of {len(pictures)} pictures cannot be read: {shown}\n"
            "download them again, delete them, or leave their examples out and count them:"
            f" --set {task.card.name}.unreadable=count"
        )


def _repeated(task: str, checked: dict[str, Checked]) -> Iterable[str]:
    repeated = repeated_content(checked)
    if repeated:
        most = max(repeated, key=len)
        yield (
            f"{task}: {sum(map(len, repeated))} pictures share their content with another under a different id"
            f" (placeholders of removed photos?), {most[0]} with {len(most) - 1} others"
        )
