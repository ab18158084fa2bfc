"""A probe from its first call to its result."""

from __future__ import annotations

from gill_bench.cards.find import TaskCard
from gill_bench.checks.probe.ask import PROBED_KINDS, Answer, Asker, OutOfCallsError, ProbeQuestion
from gill_bench.checks.probe.compare import differs, differs_in_batch
from gill_bench.checks.probe.evidence import Evidence
from gill_bench.checks.probe.exact import SEEDS, ExactDesign
from gill_bench.checks.probe.material import Material
from gill_bench.checks.probe.measures import measured
from gill_bench.checks.probe.noisy import FEWEST_REPETITIONS, NoisyDesign
from gill_bench.checks.probe.verdict import order_of, orders_of, parts_of
from gill_bench.datasets import Context
from gill_bench.datasets.controls import ControlContext
from gill_bench.errors import InputError
from gill_bench.planning.cells import Cell
from gill_bench.planning.selection import output_kind
from gill_bench.rundir.probes import ContextProbe

CALLS = 60
"""The calls of a model that a probe makes at most, unless it is told otherwise."""
REPEATS = 2
"""Calls that repeat the first one, to see whether the model is repeatable."""
_OPENING = 4 + REPEATS  # two plain prompts, their repetitions, and a call with both
_SEEDS_OF_A_PROBE = 1000
"""The distance of the numbers that the noise of two probes with neighbouring seeds begins with."""


def probe(
    loaded: object, cell: Cell, *, calls: int = CALLS, seed: int = 0, device: str = "cpu", networks: bool = True
) -> ContextProbe:
    """Find out which parts of a context a model reads.

    Args:
        loaded: The object that the model's adapter loaded.
        cell: Task, model and context. A few dozen examples are enough.
        calls: The greatest number of calls.
        seed: Another seed takes other noise and other examples.
        device: The torch device of the networks that compare pictures.
        networks: Whether pictures are compared by LPIPS and similarity too, where the weights of these are there.

    Raises:
        InputError: The context cannot be probed, or needs more calls.
        GillBenchError: The model raised an exception, or returned something of another form than its interface says.
    """
    why_not = cannot_be_probed(cell.task.card, cell.context)
    if why_not:
        raise InputError(why_not)
    material = Material(cell, seed)
    sites = material.sites
    least = _OPENING + max(len(sites) + 1, FEWEST_REPETITIONS + 2)
    if calls < least:
        raise InputError(
            f"--calls {calls}: a prompt of {cell.key.task}/{cell.key.context} has {len(sites)} parts, for which a probe"
            f" needs at least {least} calls"
        )
    asker = Asker(loaded, cell, calls)
    evidence = Evidence(sites)
    first_seed = seed * _SEEDS_OF_A_PROBE
    try:
        plain = _open(asker, material, evidence, first_seed)
        if evidence.same_again:
            design = ExactDesign(asker, material, evidence, first_seed, plain)
            try:
                design.run()
            finally:
                design.note_unit()
        else:
            NoisyDesign(asker, material, evidence, first_seed).run()
    except OutOfCallsError:
        pass  # what was asked first tells most
    measures, notes = measured(evidence.pictures, cell.task, device) if networks else ({}, ())
    parts = parts_of(evidence, measures, texts=cell.asks == "texts")
    orders = orders_of(evidence, parts)
    return ContextProbe(
        model=cell.key.model,
        task=cell.key.task,
        context=cell.key.context,
        calls=asker.calls,
        parts=tuple(parts),
        order=order_of(orders, parts),
        repeatable=evidence.same_again and not evidence.batch_dependent,
        orders=orders,
        same_again=evidence.same_again,
        batch_dependent=evidence.batch_dependent,
        unit=evidence.unit_is,
        seed=seed,
        prompts=asker.prompts,
        outputs=asker.outputs,
        examples=tuple(evidence.examples),
        notes=notes,
        recipe=cell.recipe_digest,
    )


def cannot_be_probed(card: TaskCard, context: Context) -> str:
    """The reason why a probe cannot be made of a context of a task, or ""."""
    name = f"{card.name}/{context.name}"
    if isinstance(context, ControlContext):
        return f"{name}: it is a control context; probe {context.plain.name}"
    kind = output_kind(card, context)
    return "" if kind in PROBED_KINDS else f"{name}: what it asks a model for ({kind}) cannot be probed"


def _open(asker: Asker, material: Material, evidence: Evidence, first_seed: int) -> dict[str, list[Answer]]:
    """Repeat a call, and ask it among others; returns the outputs of the untouched prompts that were asked."""
    seeds = tuple(range(first_seed, first_seed + SEEDS)) if asker.draws else (first_seed,)
    first, second = material.example(0), material.example(1)
    prompts = material.plain(first), material.plain(second)

    def ask(number: int, seeds: tuple[int, ...]) -> list[Answer]:
        return asker.ask([ProbeQuestion((first, second)[number], prompts[number], seeds)])[0]

    evidence.examples.update({first.id: None, second.id: None})
    plain = ask(0, seeds)
    # Each noise twice in the call: a model that draws numbers of its own is seen sooner.
    twice = [ask(0, seeds * 2 if asker.draws else seeds) for _ in range(REPEATS)]
    if any(map(differs, *twice)):
        evidence.same_again = False
        return {}
    other = ask(1, seeds)
    apart = (seeds[1:2], (seeds[-1], seeds[0])) if asker.draws else (seeds, seeds)
    among = asker.ask([ProbeQuestion(second, prompts[1], apart[0]), ProbeQuestion(first, prompts[0], apart[1])])
    alone = ([other[1]], [plain[-1], plain[0]]) if asker.draws else (other, plain)
    pairs = [
        *zip(plain * 2, twice[0], strict=False),
        *zip(alone[0], among[0], strict=True),
        *zip(alone[1], among[1], strict=True),
    ]
    if any(differs_in_batch(*pair) for pair in pairs):
        evidence.same_again = not any(map(differs, plain, ask(0, seeds)))
        evidence.batch_dependent = evidence.same_again
    return {first.id: plain, second.id: other}
