"""Outputs that were generated elsewhere become units of a run, with the same commit rule as those of any model.

The model of such a cell has the adapter `imported`: signatures say so, together with a digest of the outputs and
`decoding:unknown`, and no number of it is mistaken for one that the harness had made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from gill_bench.cards.find import Cards, ModelCard, TaskCard
from gill_bench.cards.schema import SCHEMA_VERSION
from gill_bench.datasets import Context
from gill_bench.engines.engine import open_engine
from gill_bench.errors import InputError
from gill_bench.evaluate import Outcome, finish
from gill_bench.exchange.incoming import Incoming, IncomingOutputs, incoming_outputs
from gill_bench.exchange.manifest import MANIFEST
from gill_bench.generation.generate import details_of
from gill_bench.models import imported
from gill_bench.models.class_adapter import entry_point_names
from gill_bench.planning.cells import Cell, CellPlan, plan_cell
from gill_bench.planning.plan import Plan, make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.planning.selection import capability_of, choose_contexts, output_kind
from gill_bench.planning.spec import merge_spec
from gill_bench.progress import bar, bars, say
from gill_bench.rundir.folders import remove_leftovers
from gill_bench.rundir.lock import RunLock
from gill_bench.rundir.records import Spec, Unit
from gill_bench.rundir.session import this_session
from gill_bench.rundir.writer import Output, add_session, spec_to_renew, write_spec, write_unit
from gill_bench.storage.images import load_image

_KINDS = {"images": "pictures", "texts": "texts"}


def import_outputs(request: RunRequest, folder: Path, name: str, *, partial: bool = False) -> Outcome:
    """Import the outputs of a folder into a run, and score them.

    Args:
        request: The run directory, one task, at most one context, and the options of `run`; its models do not count.
        folder: The folder with the outputs (`gill_bench.exchange.incoming`).
        name: The name of the model in rows.
        partial: Whether examples without an output are left "not made", instead of refused.

    Raises:
        InputError: An option, the data or the folder is wrong; nothing was stored then.
    """
    cards = Cards(request.card_folders)
    card = cards.task(request.tasks[0])
    context = _context(card, request)
    request = replace(request, models=(_card(name, card, context, cards),), contexts=(context.name,))
    plan = make_plan(request)
    if not plan.cells:
        raise InputError(f"{card.name}: {plan.cannot[0][3] if plan.cannot else 'nothing to import for'}")
    with bars("outputs") as progress:
        incoming = incoming_outputs(folder, plan.cells[-1].cell, progress)
    _say_lacks(folder, incoming, partial)
    cell = _with_content(plan.cells[-1].cell, incoming)
    return _store(plan, cell, incoming, folder)


def _context(card: TaskCard, request: RunRequest) -> Context:
    names = request.contexts or ("paper",)
    contexts = choose_contexts(card, names)
    if len(contexts) != 1:
        every = ", ".join(context.name for context in choose_contexts(card, ["all"]))
        raise InputError(
            f"{card.name}: expected the one context in which the outputs were made, --context NAME, such as {every}"
        )
    asks = output_kind(card, contexts[0])
    if asks not in _KINDS:
        raise InputError(
            f"{card.name}: {contexts[0].name} asks models for {asks}; {' and '.join(_KINDS.values())} can be imported"
        )
    return contexts[0]


def _card(name: str, task: TaskCard, context: Context, cards: Cards) -> ModelCard:
    if name in cards.files["model"] or name in entry_point_names():
        raise InputError(
            f"--as {name}: a model has this name, and imported outputs must not be taken for its own; choose another,"
            f" such as {name}-imported"
        )
    try:
        return ModelCard(
            schema=SCHEMA_VERSION,
            name=name,
            title=name,
            adapter=imported.NAME,
            capabilities=(capability_of(task, context),),
            inputs=("text", "image"),
            settings=imported.Settings().model_dump(),
        )
    except ValidationError as error:
        raise InputError(
            f"--as {name[:80]}: expected a name of small Latin letters, digits, '-', '_' and '.', such as my-model"
        ) from error


def _say_lacks(folder: Path, incoming: IncomingOutputs, partial: bool) -> None:
    if incoming.ignored:
        say(
            f"{incoming.ignored} outputs are of examples that are not asked for (--limit, or pictures that are missing)"
        )
    if incoming.missing:
        some = ", ".join(f"{name!r} seed {seed}" for name, seed in incoming.missing[:3])
        more = ", ..." if len(incoming.missing) > 3 else ""
        message = f"{folder}: {len(incoming.missing)} outputs are missing: {some}{more}"
        if not partial:
            raise InputError(
                f"{message}\nadd them; or import what is there, and count the others as not made: --partial"
            )
        say(f"warning: {message}; they count as not made")


def _with_content(cell: Cell, incoming: IncomingOutputs) -> Cell:
    """The cell with the seeds of the folder, and with the digest of its outputs in the recipe."""
    settings = {**cell.recipe["settings"], "content": incoming.content()}
    return replace(cell, seeds=incoming.seeds, recipe={**cell.recipe, "settings": settings})


def _store(plan: Plan, cell: Cell, incoming: IncomingOutputs, folder: Path) -> Outcome:
    run = plan.request.out
    source = "list" if (folder / MANIFEST).exists() else "names"
    record = {"imported": {"folder": folder.resolve().name, "told_by": source}}
    with RunLock(run, locks=plan.options.locks) as lock:
        with lock.shared_files():
            remove_leftovers(run)
            spec = spec_to_renew(run)
            _refuse_made_here(spec, cell, run)
            write_spec(run, merge_spec(run, spec, [cell]))
            add_session(run, this_session("", 0))
        planned = plan_cell(cell, run)
        units = list(_units(planned, incoming))
        total = sum(unit.size for unit in units)
        with bar("importing", max(total, 1), _KINDS[cell.asks]) as step:
            for unit in units:
                with lock.unit(unit.key, wait=True):
                    details = [details_of(cell, cell.usable[example].example) for example, _ in unit.examples]
                    outputs = [
                        [_output(incoming.outputs[example, seed]) for seed in unit.seeds]
                        for example, _ in unit.examples
                    ]
                    write_unit(unit.folder(cell.folder(run)), unit, outputs, details, record)
                step(unit.size)
        with open_engine(run, plan.options, lock) as workers:
            return Outcome(finish([cell], run, lock, workers, renew=True), workers.failures, again=workers.again)


def _refuse_made_here(spec: Spec, cell: Cell, run: Path) -> None:
    stored = spec.cell(cell.key)
    if stored is not None and stored.recipe.get("adapter") != imported.NAME:
        raise InputError(
            f"{run}: {cell.key}: a model of this name has made samples of this run; choose another with --as"
        )


def _units(planned: CellPlan, incoming: IncomingOutputs) -> Iterator[Unit]:
    """The pending units, divided so that each example of a unit has an output with each of its seeds."""
    for unit in planned.pending:
        groups: dict[tuple[int, ...], list[tuple[str, str]]] = {}
        for example in unit.examples:
            seeds = tuple(seed for seed in unit.seeds if (example[0], seed) in incoming.outputs)
            if seeds:
                groups.setdefault(seeds, []).append(example)
        for seeds, examples in groups.items():
            yield replace(unit, examples=tuple(examples), seeds=seeds)


def _output(item: Incoming) -> Output:
    flagged, truncated = item.entry.flagged, item.entry.truncated
    if item.text is not None:
        return Output(values={"text": item.text}, flagged=flagged, truncated=truncated)
    assert item.file is not None
    return Output(image=load_image(item.file), flagged=flagged, truncated=truncated)
