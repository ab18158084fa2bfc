"""A run from command to results: ask, check, plan, generate, score, aggregate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gill_bench.cards import Cards, ModelCard, TaskCard
from gill_bench.engines.local import Failure, run_units
from gill_bench.errors import InputError
from gill_bench.progress import bar, say
from gill_bench.rows import Results, Row, read_results
from gill_bench.runs.aggregate import missing_of, rows_of
from gill_bench.runs.asked import (
    ModelAsked,
    TaskAsked,
    cannot_reason,
    choose_contexts,
    choose_models,
    open_task,
    parse_settings,
    resolve_model,
    resolve_task,
)
from gill_bench.runs.folder import (
    make_run_folder,
    merge_spec,
    read_spec,
    record_environment,
    remove_leftovers,
    task_from_entry,
    write_spec,
)
from gill_bench.runs.lock import RunLock
from gill_bench.runs.plan import Cell, CellPlan, plan_cell
from gill_bench.runs.recipe import changes, recipe
from gill_bench.runs.score import score_units
from gill_bench.runs.units import Unit
from gill_bench.weights import MINI

RESULTS = "results.json"


@dataclass(frozen=True)
class Ask:
    """What one command asks for, in names.

    Attributes:
        tasks: Names of tasks or paths of task cards; ("all",) for all.
        out: The run directory.
        models: Names or paths; ("all",) for every model whose capabilities a task asks for.
        contexts: Names of contexts or of a card's lists of them.
        seeds: Seeds 0 .. seeds - 1.
        limit: At most so many examples of each task, from the start of the data; 0 for all.
        data: "mini" or a folder.
        split: Another split than the card's.
        weights: "mini" or a folder.
        metric_weights: "mini" or a folder, for the metrics' backbones; None for that of `weights`.
        settings: `CARD.KEY=VALUE` texts.
        device: A torch device, or "auto".
        batch_size: Prompts a model call, each with all its seeds.
        threads: CPU threads of this process; 0 leaves them as they are. The embedded networks are so small that more
            than one thread gains little, and on a busy machine loses much.
    """

    tasks: tuple[str, ...]
    out: Path
    models: tuple[str, ...] = ("all",)
    contexts: tuple[str, ...] = ("paper",)
    seeds: int = 5
    limit: int = 0
    data: str = MINI
    split: str | None = None
    weights: str = MINI
    metric_weights: str | None = None
    settings: tuple[str, ...] = ()
    device: str = "auto"
    batch_size: int = 1
    threads: int = 0
    card_folders: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A checked and planned run; nothing is loaded yet.

    Attributes:
        cannot: (task, model, context, reason) of what a model cannot do.
    """

    ask: Ask
    device: str
    models: dict[str, ModelAsked]
    cells: tuple[CellPlan, ...]
    cannot: tuple[tuple[str, str, str, str], ...]

    @property
    def samples_pending(self) -> int:
        """Outputs still to be made."""
        return sum(plan.samples_pending for plan in self.cells)


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    results: Results
    failures: list[Failure] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Whether every output that was asked for is there and scored."""
        return not self.failures and all(row.n_failed == 0 for row in self.results.rows)


def make_plan(ask: Ask) -> Plan:
    """Check everything that can be known before loading weights, and plan what is not stored yet.

    Raises:
        InputError: Anything wrong in names, options, cards, data, checkpoints or the output folder.
    """
    cards = Cards(ask.card_folders)
    task_cards = cards.tasks() if ask.tasks == ("all",) else [cards.task(name) for name in dict.fromkeys(ask.tasks)]
    model_cards = choose_models(cards, ask.models, task_cards)
    names = [card.name for card in task_cards] + [card.name for card in model_cards]
    settings = parse_settings(ask.settings, names)
    make_run_folder(ask.out)
    device = choose_device(ask.device, ask.threads)
    pairs, cannot = _pairs(ask, task_cards, model_cards)
    needed = {model for _, model, _ in pairs}
    models = {
        card.name: resolve_model(card, weights=ask.weights, settings=settings.get(card.name, {}))
        for card in model_cards
        if card.name in needed
    }
    tasks = {card.name: _open(ask, card, settings.get(card.name, {})) for card in task_cards}
    cells = []
    for task_name, model_name, context_name in pairs:
        task, model = tasks[task_name], models[model_name]
        context = task.context(context_name)
        notes = (*task.notes(), *model.notes())
        cells.append(
            Cell(task, model_name, context, tuple(range(ask.seeds)), recipe(task, model, context, device), notes)
        )
    for cell in cells:
        if not cell.asked:
            first = cell.task.problem(cell.task.examples[0], cell.context)
            raise InputError(
                f"{cell.task.data}: none of the {len(cell.task.examples)} examples of {cell.task.card.name} can be"
                f" asked with {cell.context.name}; example {cell.task.examples[0].id}: {first}"
            )
    return Plan(ask, device, models, tuple(plan_cell(cell, ask.out) for cell in cells), tuple(cannot))


def execute(plan: Plan) -> Outcome:
    """Do what a plan leaves to do: generate, score, write the results."""
    run = plan.ask.out
    cells = [planned.cell for planned in plan.cells]
    with RunLock(run) as lock:
        with lock.shared_files():
            remove_leftovers(run)
            spec = read_spec(run)
            for message in _changed(spec, plan.cells):
                say(message)
            write_spec(run, merge_spec(run, spec, cells))
            record_environment(run, plan.device, plan.ask.batch_size)
        failures: list[Failure] = []
        if plan.samples_pending:
            with bar("generating", plan.samples_pending, "samples") as step:
                failures = run_units(
                    plan.cells,
                    plan.models,
                    run,
                    lock,
                    device=plan.device,
                    batch_size=plan.ask.batch_size,
                    step=step,
                )
        return Outcome(_finish(cells, run, lock, plan.device), failures)


def score(run: Path, device: str = "auto", threads: int = 0, data: str | None = None) -> Outcome:
    """Score what is stored in a run directory and write its results again; generates nothing.

    Raises:
        InputError: The folder is not that of a run, or its data is not where it was.
    """
    cells = cells_of(run, data)
    with RunLock(run) as lock:
        return Outcome(_finish(cells, run, lock, choose_device(device, threads)))


def cells_of(run: Path, data: str | None = None) -> list[Cell]:
    """The cells of a run directory as they were asked, with their data opened and checked again.

    Args:
        run: The run directory.
        data: Where the data is now; None where it was.

    Raises:
        InputError: The folder is not that of a run, or its data is not where it was.
    """
    if not (run / "spec.json").is_file():
        raise InputError(f"{run}: no spec.json; this is not the folder of a run")
    spec = read_spec(run)
    with _bars() as progress:
        tasks = {
            name: open_task(**task_from_entry(run, entry, data), progress=progress)
            for name, entry in spec["tasks"].items()
        }
    cells = []
    for entry in spec["cells"]:
        task: TaskAsked = tasks[entry["task_as"]]
        context = task.context(entry["context"])
        cells.append(Cell(task, entry["model"], context, tuple(entry["seeds"]), entry["recipe"], tuple(entry["notes"])))
    return cells


def choose_device(name: str, threads: int = 0) -> str:
    """A torch device by name; "auto" is the first CUDA device, else the CPU.

    Args:
        name: As torch calls it, or "auto".
        threads: Threads for torch on the CPU; 0 leaves them as they are.

    Raises:
        InputError: The device does not exist here.
    """
    import torch

    if threads:
        torch.set_num_threads(threads)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"--device {name}: {reason}") from error
    return name


def _open(ask: Ask, card: TaskCard, settings: Mapping[str, bool | int | float | str]) -> TaskAsked:
    resolved = resolve_task(card, data=ask.data, split=ask.split, settings=settings)
    with _bars() as progress:
        task = open_task(
            resolved,
            data=ask.data,
            limit=ask.limit,
            metric_weights=ask.metric_weights or ask.weights,
            progress=progress,
        )
    for warning in task.warnings:
        say(f"warning: {warning}")
    return task


def _pairs(
    ask: Ask, tasks: Sequence[TaskCard], models: Sequence[ModelCard]
) -> tuple[list[tuple[str, str, str]], list[tuple[str, str, str, str]]]:
    pairs, cannot = [], []
    for task in tasks:
        for context in choose_contexts(task, ask.contexts):
            for model in models:
                reason = cannot_reason(model, task, context)
                if reason:
                    cannot.append((task.name, model.name, context.name, reason))
                else:
                    pairs.append((task.name, model.name, context.name))
    if not pairs:
        reasons = "; ".join(sorted({reason for _, _, _, reason in cannot}))
        raise InputError(f"nothing to do: {reasons or 'no model can do this task'}")
    return pairs, cannot


def _changed(spec: Mapping[str, object], plans: Sequence[CellPlan]) -> Iterator[str]:
    """Say which settings differ from those of the stored units, and that those are left alone."""
    entries = spec["cells"]
    assert isinstance(entries, list)
    before = {(entry["task"], entry["model"], entry["context"]): entry["recipe"] for entry in entries}
    for plan in plans:
        old = before.get(plan.cell.name)
        where = "/".join(plan.cell.name)
        if old is not None and old != plan.cell.recipe:
            fields = "; ".join(changes(old, dict(plan.cell.recipe)))
            yield f"{where}: {fields}. {plan.other_recipe} stored units were made otherwise: kept, not used."
        if plan.changed:
            names = ", ".join(plan.changed[:3]) + (" and others" if len(plan.changed) > 3 else "")
            yield f"{where}: text or pictures of {len(plan.changed)} stored examples changed ({names}): made again."


def _finish(cells: Sequence[Cell], run: Path, lock: RunLock, device: str) -> Results:
    stored: list[tuple[Cell, Mapping[str, Unit]]] = [(cell, plan_cell(cell, run).done) for cell in cells]
    with _bars() as progress:
        score_units(stored, run, lock, device=device, progress=progress)
    with lock.shared_files():
        rows = [row for cell, units in stored for row in rows_of(cell, units, run)]
        results = _merge_results(run / RESULTS, cells, rows)
        results.write(run / RESULTS)
    return results


def _merge_results(file: Path, cells: Sequence[Cell], rows: Sequence[Row]) -> Results:
    """Rows of cells that this command did not ask for stay as they are."""
    asked = {cell.name for cell in cells}
    old = _earlier_results(file)
    kept = [row for row in old.rows if (row.task, row.model, row.context) not in asked]
    tasks = {cell.task.card.name for cell in cells}
    missing = [item for item in old.missing if item.task not in tasks] + missing_of(cells)
    notes = dict.fromkeys([*(note for cell in cells for note in cell.notes), *(old.notes if kept else ())])
    return Results(tuple(sorted([*kept, *rows], key=_row_order)), tuple(missing), tuple(sorted(notes)))


def _earlier_results(file: Path) -> Results:
    """What is in results.json; nothing if it is damaged, since all of it can be made again from the units."""
    if not file.exists():
        return Results(())
    try:
        return read_results(file)
    except InputError as error:
        say(f"warning: {error}")
        say(f"it is written anew; results of other commands come back with: gill-bench score {file.parent}")
        return Results(())


def _row_order(row: Row) -> tuple[str, str, str, str, int]:
    return row.task, row.model, row.context, row.metric, row.seed


@contextmanager
def _bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """Progress bars that follow one another, each shown until the next begins."""
    with ExitStack() as stack:

        def start(label: str, total: int) -> Callable[[int], None]:
            stack.close()
            return stack.enter_context(bar(label, total, "pictures"))

        yield start
