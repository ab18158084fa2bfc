"""From a command to a plan: everything that can be known before any weights load is found out here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from gill_bench.cards.find import Cards, ModelCard, TaskCard, Value
from gill_bench.cards.limits import check_count
from gill_bench.checks.downloads import check_command
from gill_bench.datasets import Context
from gill_bench.devices import choose_device, device_is_here, use_threads
from gill_bench.engines.options import ENGINES, LOCAL, MAX_FAILURES, RAY, ExecutionOptions
from gill_bench.errors import InputError, did_you_mean
from gill_bench.metrics import DistributionMetricModule, metric
from gill_bench.planning.candidates import CandidateContext
from gill_bench.planning.cells import Cell, CellPlan, plan_cell
from gill_bench.planning.metrics import metrics_of
from gill_bench.planning.recipe import recipe
from gill_bench.planning.resolve import DataError, open_task, resolve_model, resolve_task
from gill_bench.planning.resolved import ResolvedModel, ResolvedTask
from gill_bench.planning.selection import (
    asks_of,
    cannot_reason,
    capability_of,
    choose_contexts,
    choose_models,
    parse_settings,
)
from gill_bench.progress import bars, say
from gill_bench.rundir.folder import make_run_folder
from gill_bench.storage.digests import digest
from gill_bench.storage.paths import check_utf8, refuse_url
from gill_bench.weights.find import MINI
from gill_bench.weights.hub import without_downloads

ALL = ("all",)
Settings = Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True)
class RunRequest:
    """What one command asks for, in names.

    Attributes:
        tasks: Names of tasks or paths of task cards; ("all",) for all.
        out: The run directory.
        models: Names or paths; ("all",) for every model whose capabilities a task asks for.
        contexts: Names of contexts or of a card's lists of them; () for `paper`, and for all lists with all tasks.
        seeds: Seeds 0 .. seeds - 1; 0 for as many as each task's card says.
        limit: At most so many examples of each task that can be asked, from the start of the data; 0 for all.
        data: "mini" or a folder.
        split: Another split than the card's.
        weights: "mini" or a folder.
        metric_weights: "mini" or a folder, for the metrics' backbones; None for that of `weights`.
        settings: `CARD.KEY=VALUE` texts.
        device: A torch device, or several of one kind between commas, each with processes of its own; "auto" is the
            first CUDA device, else the CPU. With Ray, which hands them out: auto, cpu or cuda.
        batch_size: Prompts a model call, each with all its seeds; 0 for the default of what is asked.
        threads: CPU threads of each process; 0 for one with embedded weights, else for torch's own choice. The embedded
            networks are so small that more than one thread gains little, and on a busy machine loses much.
        workers: Processes per device that make and score outputs; with Ray all workers, 0 for as many as there is room.
        engine: "local", or "ray".
        address: Of a Ray cluster: "auto" or host:port; "" for that of RAY_ADDRESS, else one is started on this machine.
        max_failures: More failed examples than these stop the run.
        shard: (number, of): only the units of one of so many equal parts; the first is 1.
        card_folders: Additional folders of cards.
        locks: False for a file system without locks; then no other command may work on the run meanwhile.
    """

    tasks: tuple[str, ...]
    out: Path
    models: tuple[str, ...] = ("all",)
    contexts: tuple[str, ...] = ()
    seeds: int = 0
    limit: int = 0
    data: str = MINI
    split: str | None = None
    weights: str = MINI
    metric_weights: str | None = None
    settings: tuple[str, ...] = ()
    device: str = "auto"
    batch_size: int = 0
    threads: int = 0
    workers: int = 0
    engine: str = LOCAL
    address: str = ""
    max_failures: int = MAX_FAILURES
    shard: tuple[int, int] = (1, 1)
    card_folders: tuple[Path, ...] = ()
    locks: bool = True

    def __post_init__(self) -> None:
        for name in ("seeds", "limit", "batch_size", "threads", "workers", "max_failures"):
            check_count(name, getattr(self, name))


@dataclass(frozen=True)
class Plan:
    """A checked and planned run; nothing is loaded yet.

    Attributes:
        how: How it is executed.
        models: By `Cell.model_digest`.
        cannot: (task, model, context, reason) of what is left out; "" for all models or contexts.
    """

    ask: RunRequest
    how: ExecutionOptions
    models: dict[str, ResolvedModel]
    cells: tuple[CellPlan, ...]
    cannot: tuple[tuple[str, str, str, str], ...]

    @property
    def device(self) -> str:
        """The torch device, or the first of several."""
        return self.how.devices[0]

    @property
    def samples_pending(self) -> int:
        """Outputs still to be made."""
        return sum(plan.samples_pending for plan in self.cells)

    @property
    def share(self) -> tuple[CellPlan, ...]:
        """What is still to do of this command's part of the run: all, without `--shard`.

        Each block of a cell belongs to one part, whatever is stored of it, counted through all cells.
        """
        number, of = self.ask.shard
        if of == 1:
            return self.cells
        found, start = [], 0
        for plan in self.cells:
            units = zip(plan.pending, plan.blocks_pending, strict=True)
            mine = tuple(unit for unit, block in units if (start + block) % of == number - 1)
            found.append(replace(plan, pending=mine))
            start += -(-len(plan.cell.examples) // plan.cell.unit_size)
        return tuple(found)


def make_plan(ask: RunRequest, *, dry: bool = False) -> Plan:
    """Check everything that can be known before loading weights, and plan what is not stored yet.

    A task or model that was named, also by a setting, must work. Of all tasks, or all models, those whose data or
    weights are not there are left out and said to be.

    Args:
        ask: See there.
        dry: The plan is only looked at: nothing is downloaded for it, and it may be empty.

    Raises:
        InputError: Anything wrong in names, options, cards, data, checkpoints or the output folder.
    """
    for option, value in (("--data", ask.data), ("--weights", ask.weights), ("--metric-weights", ask.metric_weights)):
        refuse_url(value or "", option)
        check_utf8(value or "", option)
    check_utf8(ask.out, "--out")
    cards = Cards(ask.card_folders)
    task_cards = cards.tasks() if ask.tasks == ALL else [cards.task(name) for name in dict.fromkeys(ask.tasks)]
    model_cards = choose_models(cards, ask.models, task_cards)
    names = [card.name for card in task_cards] + [card.name for card in model_cards]
    settings = parse_settings(ask.settings, names)
    make_run_folder(ask.out, locks=ask.locks)
    how = choose_how(ask)
    planner = _Planner(ask, how.devices[0], settings)
    with without_downloads() if dry else nullcontext():
        cells = [cell for card in task_cards for cell in planner.cells(card, model_cards)]
    if not cells and not dry:
        reasons = "; ".join(sorted({reason for _, _, _, reason in planner.cannot}))
        raise InputError(f"nothing to do: {reasons or 'no model can do this task'}")
    return Plan(
        ask,
        how,
        planner.models,
        tuple(plan_cell(cell, ask.out) for cell in cells),
        tuple(planner.cannot),
    )


class _Planner:
    """Turns tasks and models into cells, and remembers what cannot be done."""

    def __init__(self, ask: RunRequest, device: str, settings: Settings) -> None:
        self.ask, self.device, self.settings = ask, device, settings
        self.models: dict[str, ResolvedModel] = {}
        self.cannot: list[tuple[str, str, str, str]] = []
        self._resolved: dict[str, ResolvedModel | InputError] = {}

    def cells(self, card: TaskCard, models: list[ModelCard]) -> Iterator[Cell]:
        """The cells of a task: what each model can be asked, candidates before what searches among them."""
        settings = self.settings.get(card.name, {})
        try:
            pairs = list(self._pairs(card, models))
            resolved = resolve_task(card, data=self.ask.data, split=self.ask.split, settings=settings)
        except InputError as error:
            self._leave_out(error, card.name)
            return
        if not pairs:
            return
        models_asked = {model.name: self._resolve(resolved, model) for _, model in pairs}
        try:
            task = self._open(resolved)
        except DataError as error:
            self._leave_out(_with_check(error, card, self.ask), card.name)
            return
        except InputError as error:
            self._leave_out(error, card.name)
            return
        searched: dict[str, Cell] = {}
        for context, model in pairs:
            asked = models_asked[model.name]
            if isinstance(asked, InputError):
                self.cannot.append((card.name, model.name, context.name, str(asked).splitlines()[0]))
                continue
            cell = self._cell(task, asked, context, searched)
            if cell is None:
                continue
            if cell.candidates is not None and cell.candidates.model not in searched:
                searched[cell.candidates.model] = cell.candidates
                yield cell.candidates
            self.models[cell.model_digest] = asked
            yield cell

    def _leave_out(self, error: InputError, task: str, model: str = "", context: str = "") -> None:
        """Remember what cannot be done of one of all tasks; of a task that was named, also by `--set`, it is raised."""
        if self.ask.tasks != ALL or task in self.settings:
            raise error
        self.cannot.append((task, model, context, str(error).splitlines()[0]))

    def _pairs(self, card: TaskCard, models: list[ModelCard]) -> Iterator[tuple[Context, ModelCard]]:
        names = self.ask.contexts or (ALL if self.ask.tasks == ALL else ("paper",))
        for context in choose_contexts(card, names):
            for model in models:
                if model.extends and self.ask.models == ALL and context.name not in card.variants:
                    continue
                reason = cannot_reason(model, card, context)
                if not reason:
                    yield context, model
                elif self.ask.models != ALL or capability_of(card, context) in model.capabilities:
                    self.cannot.append((card.name, model.name, context.name, reason))

    def _resolve(self, task: TaskCard, card: ModelCard) -> ResolvedModel | InputError:
        """A model with a task's sampling; the reason why not, if it is one of all models."""
        key = digest([card.name, dict(task.sampling)])
        if key not in self._resolved:
            settings = self.settings.get(card.name, {})
            try:
                self._resolved[key] = resolve_model(
                    card, weights=self.ask.weights, settings=settings, sampling=task.sampling
                )
            except InputError as error:
                if self.ask.models != ALL or card.name in self.settings:
                    raise
                self._resolved[key] = error
        return self._resolved[key]

    def _open(self, card: TaskCard) -> ResolvedTask:
        with bars("pictures") as progress:
            task = open_task(
                card,
                data=self.ask.data,
                limit=self.ask.limit,
                metric_weights=self.ask.metric_weights or self.ask.weights,
                progress=progress,
            )
        for warning in task.warnings:
            say(f"warning: {warning}")
        if task.limit and len(task.examples) > task.limit:
            whole = sum(not any(task.checked[p.id].problem for p in example.pictures) for example in task.examples)
            say(
                f"{card.name}: --limit {task.limit}: {whole} examples whose pictures are there, among the first"
                f" {len(task.examples)} of {task.available}"
            )
        return task

    def _cell(
        self, task: ResolvedTask, model: ResolvedModel, context: Context, searched: Mapping[str, Cell]
    ) -> Cell | None:
        seeds = tuple(range(self.ask.seeds or task.card.seeds))
        notes = (*task.notes(), *model.notes())

        def make(of: Context, candidates: Cell | None = None) -> Cell:
            fields = recipe(task, model, of, self.device)
            return Cell(task, model.card.name, of, seeds, fields, notes, candidates)

        name = model.card.name
        if asks_of(task.card, context).endswith("-seconds") and not device_is_here(self.device):
            self._leave_out(
                InputError(
                    f"{task.card.name}: what is timed is planned on a machine that has the device, {self.device}"
                ),
                task.card.name,
                name,
                context.name,
            )
            return None
        searches = asks_of(task.card, context) == "embeddings"
        cell = make(context, searched.get(name) or make(CandidateContext())) if searches else make(context)
        if cell.candidates is not None and not cell.candidates.asked and task.converted_candidates(name):
            cell = make(context)
        elif cell.candidates is not None and not cell.candidates.asked:
            reason = f"{task.data} has no pictures for {task.card.name} to search among"
            self.cannot.append((*cell.name, reason))
            return None
        try:
            _check_examples(cell)
        except InputError as error:
            self._leave_out(_with_check(error, task.card, self.ask), *cell.name)
            return None
        return cell


def _with_check(error: InputError, card: TaskCard, ask: RunRequest) -> InputError:
    """An error about a task's data, with the command that says more of it; the embedded data cannot lack anything."""
    if ask.data == MINI:
        return error
    name = next((text for text in ask.tasks if text.endswith(".toml") and Path(text).stem == card.name), card.name)
    own = [text for text in ask.settings if text.startswith(f"{card.name}.")]
    command = check_command(name, ask.data, ask.split, own, ask.card_folders)
    return InputError(f"{error}\nwhat is there, and where the rest has to go: {command}")


def _check_examples(cell: Cell) -> None:
    task = cell.task
    if not cell.asked:
        first = task.problem(task.examples[0], cell.context)
        raise InputError(
            f"{task.data}: none of the {len(task.examples)} examples of {task.card.name} can be"
            f" asked with {cell.context.name}; example {task.examples[0].id}: {first}"
        )
    for asked in metrics_of(task):
        if asked.kind == "distribution":
            module = cast(DistributionMetricModule, metric(asked.spec.name))
            module.check_count(len(cell.asked), asked.settings, task.card.name)


def choose_how(ask: RunRequest) -> ExecutionOptions:
    """How to execute what is asked, with devices that are there.

    Raises:
        InputError: An engine, device or cluster that there is not, or devices of several kinds.
    """
    number, of = ask.shard
    if not 1 <= number <= of:
        raise InputError(f"--shard {number}/{of}: expected PART/PARTS, such as 3/16; the first is 1")
    if ask.engine not in ENGINES:
        raise InputError(f"--engine {ask.engine}: {did_you_mean(ask.engine, ENGINES)}")
    if ask.address and ask.engine != RAY:
        raise InputError(f"--address {ask.address}: it is that of a Ray cluster; use it with --engine ray")
    threads = ask.threads or (1 if ask.weights == MINI else 0)
    how = ExecutionOptions((), ask.engine, ask.address, ask.workers, max_failures=ask.max_failures, locks=ask.locks)
    if ask.engine == RAY:
        from gill_bench.engines.ray import cluster_device

        return replace(how, devices=(cluster_device(ask.device, ask.address),), threads=use_threads(threads))
    devices = tuple(choose_device(name.strip(), threads) for name in ask.device.split(","))
    if len({device.partition(":")[0] for device in devices}) > 1:
        raise InputError(f"--devices {ask.device}: results may differ between kinds of devices; give one kind")
    return replace(how, devices=devices, threads=use_threads(threads))
