"""The recipe of a cell (task, model, context): every field that changes what comes out, and nothing else.

A unit's key is a hash over the recipe, its seeds, and its examples with a digest of what the model is given for each
(`ResolvedTask.example_digest`: texts and the content of pictures). A unit is stale once one of these has changed: its
key is then another, so a changed setting can never reuse what an earlier one made.

Options of execution (device, batch size, engine) are recorded in `env.json` and not hashed. Settings of a model that
are marked as such (`gill_bench.models.execution_only`) are not hashed either. The fields are documented in
docs/design/runs.md; a change of their meaning raises `RECIPE_VERSION`.
"""

from __future__ import annotations

import platform
from typing import Any

from gill_bench.datasets import Context
from gill_bench.interfaces import ASKED_BY_DEFAULT
from gill_bench.models import adapter
from gill_bench.planning.cells import PICTURE_SIZE
from gill_bench.planning.resolved import ResolvedModel, ResolvedTask
from gill_bench.planning.selection import output_kind
from gill_bench.storage.images import RULE

RECIPE_VERSION = 1


def recipe(
    task: ResolvedTask, model: ResolvedModel, context: Context, device: str, *, original_pictures: bool = False
) -> dict[str, Any]:
    """The recipe of a cell, as plain JSON data.

    Args:
        task: The task with its data.
        model: The model with weights and settings.
        context: How much of an example the model is given.
        device: The torch device; it enters only if the cell is timed, or a setting is "auto", which stands for another
            precision on another kind of device.
        original_pictures: Whether the pictures of prompts stay as they are, whatever `picture_size` the task has.
    """
    asks = output_kind(task.card, context)
    timed = asks.endswith("-seconds")
    left_out = frozenset() if timed else model.execution_only
    settings = {name: value for name, value in model.card.settings.items() if name not in left_out}
    prompt = dict(task.card.prompt)
    if original_pictures and PICTURE_SIZE in prompt:
        prompt[PICTURE_SIZE] = 0
    fields: dict[str, Any] = {
        "version": RECIPE_VERSION,
        "task": task.card.name,
        "capability": task.card.capability,
        "context": context.name,
        "prompt": prompt,
        "images": RULE,
        "adapter": model.card.adapter,
        "weights": dict(model.digests),
        "settings": settings,
    }
    if asks == "candidates":  # the settings of texts do not change the embedding of a picture
        fields["prompt"] = {key: value for key, value in prompt.items() if key == PICTURE_SIZE}
    if asks != ASKED_BY_DEFAULT[task.card.capability]:
        fields["asks"] = asks
    if model.described.facts:
        fields["facts"] = dict(model.described.facts)
    kind = device.partition(":")[0]
    # A card may leave a setting out whose default is "auto". On a CPU that has always been no part of a recipe.
    if "auto" in settings.values() or (kind != "cpu" and _leaves_out_auto(model)):
        fields["auto_on"] = kind
    if timed:
        fields["measured_on"] = device_name(device)
    return fields


def _leaves_out_auto(model: ResolvedModel) -> bool:
    fields = adapter(model.card).Settings.model_fields
    return any(
        field.default == "auto" and (field.alias or name) not in model.card.settings for name, field in fields.items()
    )


def device_name(device: str) -> str:
    """The name of a device: an accelerator's model, or a CPU's architecture with the number of threads in use."""
    import torch

    if device.startswith("cuda"):
        return torch.cuda.get_device_name(device)
    return f"{device}, {platform.machine()}, {torch.get_num_threads()} threads"


def changes(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    """Say in words which fields differ, as in "settings.guidance_scale was 7.5, now 3.0"."""
    sentences = []
    for key in sorted({*old, *new}):
        name = f"{prefix}{key}"
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            sentences += changes(before, after, f"{name}.")
        elif before != after:
            sentences.append(f"{name} was {_short(before)}, now {_short(after)}")
    return sentences


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 24 else f"{text[:12]}…"
