"""The choice of the task and contexts in which a model is probed; little data is read, and nothing is loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gill_bench.cards.find import Cards, ModelCard, TaskCard, Value
from gill_bench.checks.probe.material import READ
from gill_bench.checks.probe.probing import cannot_be_probed
from gill_bench.datasets import Context
from gill_bench.datasets.parts import in_parts
from gill_bench.errors import InputError
from gill_bench.models import wants_original_pictures
from gill_bench.planning.cells import PICTURE_SIZE, Cell
from gill_bench.planning.recipe import recipe
from gill_bench.planning.resolve import read_task, resolve_model, resolve_task
from gill_bench.planning.resolved import ResolvedModel
from gill_bench.planning.selection import cannot_reason, choose_contexts

TASKS = ("vist", "vist-retrieval", "visdial-answers", "vqav2", "coco-captions", "partiprompts")
"""The tasks among which one is chosen for a model: the first in which the model can be asked."""


def choose_task(cards: Cards, model: ModelCard, name: str | None = None) -> TaskCard:
    """The task to probe a model in: the named one, or the first of `TASKS` in which the model can be asked.

    Raises:
        InputError: There is no such task, or the model can be asked in none.
    """
    if name is not None:
        return cards.task(name)
    for card in (cards.task(task) for task in TASKS):
        if usable_contexts(card, model, ["paper"])[0]:
            return card
    raise InputError(
        f"{model.name}: {', '.join(model.capabilities)}: none of {', '.join(TASKS)} asks such a model for anything;"
        " name a task with --task"
    )


def usable_contexts(
    card: TaskCard, model: ModelCard, names: Sequence[str]
) -> tuple[list[Context], list[tuple[Context, str]]]:
    """The named contexts in which a model can be probed, and the others, each with the reason."""
    contexts = [
        (context, cannot_be_probed(card, context) or cannot_reason(model, card, context))
        for context in choose_contexts(card, names)
    ]
    return [context for context, reason in contexts if not reason], [item for item in contexts if item[1]]


def longest(contexts: Sequence[Context]) -> Context:
    """The context with the most parts; of several with as many, the last."""
    return max(reversed(contexts), key=lambda context: sum(in_parts(context).counts.values()))


def probe_cells(
    card: TaskCard,
    model: ModelCard,
    contexts: Sequence[Context],
    *,
    data: str,
    split: str | None,
    weights: str,
    metric_weights: str,
    settings: Mapping[str, Mapping[str, Value]],
    device: str,
) -> tuple[ResolvedModel, list[Cell]]:
    """The model, found and checked, and its cells in some contexts of a task, of the first examples of the data."""
    own = settings.get(card.name, {})
    resolved_card = resolve_task(card, data=data, split=split, settings=own)
    resolved = resolve_model(
        model, weights=weights, settings=settings.get(model.name, {}), sampling=resolved_card.sampling
    )
    task = read_task(resolved_card, data=data, limit=READ, metric_weights=metric_weights, prompts_alone=True)
    original = wants_original_pictures(resolved.card) and PICTURE_SIZE not in own
    cells = [
        Cell(
            task,
            model.name,
            context,
            (0,),
            recipe(task, resolved, context, device, original_pictures=original),
            (*task.notes(), *resolved.notes()),
        )
        for context in contexts
    ]
    return resolved, cells
