"""The short form of the probe: which parts of a context a model reads, on the embedded world."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gill_bench.cards.find import Cards, ModelCard, Value
from gill_bench.checks.probe import longest, probe, probe_cells, usable_contexts
from gill_bench.errors import GillBenchError, command
from gill_bench.weights.find import MINI

TASKS = ("vist", "vist-retrieval", "visdial-answers", "vqav2")
"""Tasks whose prompts have several parts, one for each capability; the first in which a model can be asked counts."""
CALLS = 20


class ContextRemark(NamedTuple):
    """The parts of a context that a model reads; a remark, and no check: no promise says which they are.

    Attributes:
        task: Name of the task.
        context: Name of the context.
        calls: Calls of the model.
        words: Which parts are read, or why that is unknown, and what the card says otherwise.
    """

    task: str
    context: str
    calls: int
    words: str


def examine_context(
    loaded: object, card: ModelCard, cards: Cards, *, weights: str, settings: Mapping[str, Value], device: str
) -> ContextRemark | None:
    """Probe a loaded model with few calls, in the longest context of the first task in which it can be asked.

    Returns:
        None if it can be asked in none.
    """
    for task in (cards.task(name) for name in TASKS):
        contexts, _ = usable_contexts(task, card, ["paper"])
        if contexts:
            break
    else:
        return None
    context = longest(contexts)
    _, cells = probe_cells(
        task,
        card,
        [context],
        data=MINI,
        split=None,
        weights=weights,
        metric_weights=MINI,
        settings={card.name: settings},
        device=device,
    )
    try:
        result = probe(loaded, cells[0], calls=CALLS, device=device, networks=False)
    except GillBenchError as error:
        return ContextRemark(task.name, context.name, 0, f"could not be probed: {str(error).splitlines()[0]}")
    words = result.in_words()
    pictures = [part.verdict for part in result.parts if part.kind == "picture"]
    if pictures and set(pictures) == {"not read"}:
        words += f"; its card says that it reads pictures: {command('probe', card.name)} tells more"
    return ContextRemark(task.name, context.name, result.calls, words)
