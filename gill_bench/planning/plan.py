"""The plan of a run: its cells, each with the units still to make, checked before any weights are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from gill_bench.cards.find import Cards, ModelCard, TaskCard, Value
from gill_bench.datasets import Context
from gill_bench.devices import device_is_here, use_threads
from gill_bench.engines.options import DEFAULT_ENGINE, ExecutionOptions, engine_module
from gill_bench.errors import InputError, command
from gill_bench.models import asks_a_server, wants_original_pictures
from gill_bench.models.described import prompt_kind
from gill_bench.planning.candidates import CandidateContext
from gill_bench.planning.cells import PICTURE_SIZE, Cell, CellPlan, plan_cell
from gill_bench.planning.metrics import metrics_of
from gill_bench.planning.recipe import recipe
from gill_bench.planning.request import RunRequest
from gill_bench.planning.resolve import DataError, open_task, resolve_model, resolve_task
from gill_bench.planning.resolved import ResolvedModel, ResolvedTask
from gill_bench.planning.selection import (
    cannot_reason,
    capability_of,
    choose_contexts,
    choose_models,
    output_kind,
    parse_settings,
)
from gill_bench.progress import bars, say
from gill_bench.rundir.folders import make_run_folder
from gill_bench.storage.digests import digest
from gill_bench.storage.paths import check_utf8, refuse_url
from gill_bench.weights.find import MINI, Weights
from gill_bench.weights.hub import without_downloads

ALL = ("all",)
Settings = Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True)
class Plan:
    """A checked and planned run; nothing is loaded yet.

    Attributes:
        request: The request that the plan follows from.
        options: How the run is executed.
        models: The models that the cells need, by `Cell.model_digest`.
        cells: The cells, each with its stored units and those still to make.
        cannot: (task, model, context, reason) of each cell that is left out; "" stands for all models or contexts.
    """

    request: RunRequest
    options: ExecutionOptions
    models: dict[str, ResolvedModel]
    cells: tuple[CellPlan, ...]
    cannot: tuple[tuple[str, str, str, str], ...]

    @property
    def device(self) -> str:
        """The torch device of the run, or the first of several."""
        return self.options.devices[0]

    @property
    def samples_pending(self) -> int:
        """The number of outputs that are still to be made."""
        return sum(plan.samples_pending for plan in self.cells)

    @property
    def share(self) -> tuple[CellPlan, ...]:
        """The cells with the units that this command makes: with `--shard` only those of its part.

        Blocks are counted through all cells and dealt to the parts in turn, whether or not they are stored already.
        """
        number, parts = self.request.shard
        if parts == 1:
            return self.cells
        cells, start = [], 0
        for plan in self.cells:
            units = zip(plan.pending, plan.blocks_pending, strict=True)
            own = tuple(unit for unit, block in units if (start + block) % parts == number - 1)
            cells.append(replace(plan, pending=own))
            start += -(-len(plan.cell.examples) // plan.cell.unit_size)
        return tuple(cells)


def make_plan(request: RunRequest, *, dry: bool = False) -> Plan:
    """Check everything that can be known before weights are loaded, and plan the outputs that are not stored yet.

    A task or model that the user named, also in a setting, must work. With all tasks, or all models, those without data
    or weights are left out, which `Plan.cannot` reports.

    Args:
        request: The request.
        dry: The plan will only be shown: nothing is downloaded for it, and it may be empty.

    Raises:
        InputError: A name, option, card, data file, checkpoint or the output folder is wrong.
    """
    for option, value in (
        ("--data", request.data),
        ("--weights", request.weights),
        ("--metric-weights", request.metric_weights),
    ):
        refuse_url(value or "", option)
        check_utf8(value or "", option)
    check_utf8(request.out, "--out")
    cards = Cards(request.card_folders)
    task_cards = cards.tasks() if request.tasks == ALL else [cards.task(name) for name in dict.fromkeys(request.tasks)]
    model_cards = choose_models(cards, request.models, task_cards)
    names = [card.name for card in task_cards] + [card.name for card in model_cards]
    settings = parse_settings(request.settings, names)
    make_run_folder(request.out, locks=request.locks, keep=not dry)
    options = execution_options(request, dry=dry)
    if not request.workers and model_cards and all(map(_asks_a_server, model_cards)):
        options = replace(options, workers=1)  # a server's limits count for all requests together
    planner = _Planner(request, options, settings)
    with without_downloads() if dry else nullcontext():
        cells = [cell for card in task_cards for cell in planner.cells(card, model_cards)]
    if not cells and not dry:
        reasons = "; ".join(sorted({reason for _, _, _, reason in planner.cannot}))
        raise InputError(f"nothing to do: {reasons or 'no model can do this task'}")
    return Plan(
        request,
        options,
        planner.models,
        tuple(plan_cell(cell, request.out) for cell in cells),
        tuple(planner.cannot),
    )


class _Planner:
    """Turns tasks and models into cells, and remembers which cells are left out, and why."""

    def __init__(self, request: RunRequest, options: ExecutionOptions, settings: Settings) -> None:
        self.request, self.device, self.settings = request, options.devices[0], settings
        self._threads = options.threads
        self.models: dict[str, ResolvedModel] = {}
        self.cannot: list[tuple[str, str, str, str]] = []
        self._resolved: dict[str, ResolvedModel | InputError] = {}
        self._digest_of = cache(Weights.digest)

    def cells(self, card: TaskCard, models: list[ModelCard]) -> Iterator[Cell]:
        """The cells of a task; the cell of candidates comes before the cells that search among them."""
        settings = self.settings.get(card.name, {})
        try:
            pairs = list(self._pairs(card, models))
            resolved = resolve_task(card, data=self.request.data, split=self.request.split, settings=settings)
        except InputError as error:
            self._leave_out(error, card.name)
            return
        if not pairs:
            return
        resolved_models = {model.name: self._resolve(resolved, model) for _, model in pairs}
        try:
            task = self._open(resolved, [context for context, _ in pairs])
        except DataError as error:
            self._leave_out(_with_check(error, card, self.request), card.name)
            return
        except InputError as error:
            self._leave_out(error, card.name)
            return
        searched: dict[str, Cell] = {}
        for context, model in pairs:
            loadable = resolved_models[model.name]
            if isinstance(loadable, InputError):
                self.cannot.append((card.name, model.name, context.name, str(loadable).splitlines()[0]))
                continue
            if reason := loadable.described.cannot.get(prompt_kind(context.inputs)):
                self.cannot.append((card.name, model.name, context.name, reason))
                continue
            cell = self._cell(task, loadable, context, searched)
            if cell is None:
                continue
            if cell.candidates is not None and cell.candidates.model not in searched:
                searched[cell.candidates.model] = cell.candidates
                yield cell.candidates
            self.models[cell.model_digest] = loadable
            yield cell

    def _leave_out(self, error: InputError, task: str, model: str = "", context: str = "") -> None:
        """Remember why a part of a task is left out; raise the error if the user named the task, also in `--set`."""
        if self.request.tasks != ALL or task in self.settings:
            raise error
        self.cannot.append((task, model, context, str(error).splitlines()[0]))

    def _pairs(self, card: TaskCard, models: list[ModelCard]) -> Iterator[tuple[Context, ModelCard]]:
        names = self.request.contexts or (ALL if self.request.tasks == ALL else ("paper",))
        for context in choose_contexts(card, names):
            for model in models:
                if model.extends and self.request.models == ALL and context.name not in card.variants:
                    continue
                reason = cannot_reason(model, card, context)
                if not reason and self.request.models == ALL and _asks_a_server(model):
                    reason = f"{model.name} asks a server; name it: --models {model.name}"
                if not reason:
                    yield context, model
                elif self.request.models != ALL or capability_of(card, context) in model.capabilities:
                    self.cannot.append((card.name, model.name, context.name, reason))

    def _resolve(self, task: TaskCard, card: ModelCard) -> ResolvedModel | InputError:
        """A model with a task's sampling settings; if it is one of all models, the error that keeps it out."""
        key = digest([card.name, dict(task.sampling)])
        if key not in self._resolved:
            settings = self.settings.get(card.name, {})
            try:
                with self._one_of_all(card):
                    self._resolved[key] = resolve_model(
                        card,
                        weights=self.request.weights,
                        settings=settings,
                        sampling=task.sampling,
                        digest_of=self._digest_of,
                    )
            except InputError as error:
                if self.request.models != ALL or card.name in self.settings:
                    raise
                self._resolved[key] = error
        return self._resolved[key]

    @contextmanager
    def _one_of_all(self, card: ModelCard) -> Iterator[None]:
        """Resolve a model without fetching what nobody named: some of all models have a hundred gigabytes.

        Raises:
            InputError: The model is one of all, runs are on embedded weights, and it has none.
        """
        embedded = all(component.mini for component in card.weights.values())
        if self.request.models != ALL or card.name in self.settings or embedded:
            yield
        elif self.request.weights == MINI:  # the same words for each model, so that a plan has one line for all
            raise InputError("no embedded weights; give a folder with --weights DIR")
        else:
            with without_downloads():
                yield

    def _open(self, card: TaskCard, contexts: Sequence[Context]) -> ResolvedTask:
        with bars("pictures") as progress:
            task = open_task(
                card,
                data=self.request.data,
                limit=self.request.limit,
                metric_weights=self.request.metric_weights or self.request.weights,
                contexts=contexts,
                progress=progress,
            )
        for warning in task.warnings:
            say(f"warning: {warning}")
        if task.limit and len(task.examples) > task.limit:
            whole = sum(not any(task.checked[p.id].problem for p in example.pictures) for example in task.examples)
            say(
                f"{card.name}: --limit {task.limit}: {whole} examples have all their pictures, among the first"
                f" {len(task.examples)} of {task.available}"
            )
        return task

    def _cell(
        self, task: ResolvedTask, model: ResolvedModel, context: Context, searched: Mapping[str, Cell]
    ) -> Cell | None:
        seeds = self.request.seeds_for(task.card.seeds)
        notes = (*task.notes(), *model.notes(prompt_kind(context.inputs)))
        sized = PICTURE_SIZE in self.settings.get(task.card.name, {})
        original = wants_original_pictures(model.card) and not sized

        def make(context: Context, candidates: Cell | None = None) -> Cell:
            fields = recipe(task, model, context, self.device, original_pictures=original)
            return Cell(task, model.card.name, context, seeds, fields, notes, candidates)

        name = model.card.name
        timed = output_kind(task.card, context).endswith("-seconds")
        if timed:
            use_threads(self._threads)  # a recipe of what is timed has their number, also in a plan that is only shown
        if timed and not device_is_here(self.device):
            self._leave_out(
                InputError(
                    f"{task.card.name}: what is timed is planned on a machine that has the device, {self.device}"
                ),
                task.card.name,
                name,
                context.name,
            )
            return None
        searches = output_kind(task.card, context) == "embeddings"
        cell = make(context, searched.get(name) or make(CandidateContext())) if searches else make(context)
        if cell.candidates is not None and not cell.candidates.usable and task.converted_candidates(name):
            cell = make(context)
        elif cell.candidates is not None and not cell.candidates.usable:
            reason = f"{task.data} has no pictures for {task.card.name} to search among"
            self.cannot.append((*cell.key, reason))
            return None
        try:
            _check_examples(cell)
        except InputError as error:
            self._leave_out(_with_check(error, task.card, self.request), *cell.key)
            return None
        return cell


def _asks_a_server(model: ModelCard) -> bool:
    try:
        return asks_a_server(model)
    except InputError:  # an adapter that cannot be loaded is an error, or left out, by itself
        return False


def _with_check(error: InputError, card: TaskCard, request: RunRequest) -> InputError:
    """The error, with the command that says more about the task's data, unless the data is embedded."""
    if request.data == MINI:
        return error
    task = next((text for text in request.tasks if text.endswith(".toml") and Path(text).stem == card.name), card.name)
    words = [task, "--data", request.data, *(("--split", request.split) if request.split else ())]
    words += [word for text in request.settings if text.startswith(f"{card.name}.") for word in ("--set", text)]
    words += [word for folder in request.card_folders for word in ("--cards", str(folder))]
    return InputError(
        f"{error}\nto see which files were found, and where the others must be: {command('data', 'check', *words)}"
    )


def _check_examples(cell: Cell) -> None:
    task = cell.task
    if not cell.usable:
        first = task.problem(task.examples[0], cell.context)
        raise InputError(
            f"{task.data}: none of the {len(task.examples)} examples of {task.card.name} can be"
            f" asked with {cell.context.name}; example {task.examples[0].id}: {first}"
        )
    for resolved in metrics_of(task):
        if resolved.kind == "distribution":
            resolved.distribution.check_count(len(cell.usable), resolved.settings, task.card.name)


def execution_options(request: RunRequest, *, dry: bool = False) -> ExecutionOptions:
    """How to execute a request: on which devices, with how many workers and threads.

    Args:
        request: The request.
        dry: Nothing will be executed, so that torch, whose import takes seconds, is not told the number of threads.

    Raises:
        InputError: There is no such engine, device or cluster, or the devices are of several kinds.
    """
    engine = engine_module(request.engine)
    if request.address and not engine.TAKES_ADDRESS:
        raise InputError(f"--address {request.address}: it is that of a Ray cluster; use it with --engine ray")
    small = request.weights == MINI
    threads = request.threads or (1 if small else 0)
    devices = engine.choose_devices(request.device, request.address, 0 if dry else threads)
    workers = request.workers or (engine.workers_for_small_models(request.device) if small else 0)
    given = [model.name for model in request.models if isinstance(model, ModelCard)]
    if given:  # a class of a script, and an object with all that it holds, are in this process alone
        if request.engine != DEFAULT_ENGINE or request.workers > 1 or len(devices) > 1:
            raise InputError(
                f"models: {given[0]} is an object or class of this process, which no other worker has\n"
                "run it here (workers=1, one device, the engine 'local'), or name its file: './my_model.py:MyModel'"
            )
        workers = 1
    return ExecutionOptions(
        devices=devices,
        engine=request.engine,
        address=request.address,
        workers=workers,
        threads=threads if dry else use_threads(threads),
        max_failures=request.max_failures,
        locks=request.locks,
    )
