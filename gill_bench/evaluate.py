"""A run from request to results: outputs are generated and stored, stored outputs are scored, and rows are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gill_bench.datasets import Context
from gill_bench.engines.engine import Engine, open_engine
from gill_bench.engines.job import Failure
from gill_bench.engines.options import DEFAULT_ENGINE
from gill_bench.errors import GillBenchError, InputError, command
from gill_bench.generation.jobs import generation_jobs
from gill_bench.planning.candidates import CANDIDATES
from gill_bench.planning.cells import Cell, CellPlan, plan_cell
from gill_bench.planning.experiment_text import stored_experiment
from gill_bench.planning.plan import Plan, execution_options
from gill_bench.planning.recipe import changes
from gill_bench.planning.request import RunRequest
from gill_bench.planning.resolve import open_task
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.planning.selection import choose_contexts
from gill_bench.planning.spec import merge_spec, task_arguments
from gill_bench.progress import bar, bars, say
from gill_bench.rundir.folders import no_spec, remove_leftovers
from gill_bench.rundir.load import read_results, read_spec, threads_of_last_session
from gill_bench.rundir.lock import RunLock
from gill_bench.rundir.records import RESULTS, CellKey, LossReason, Spec
from gill_bench.rundir.rows import Counts, Results, Row, Unmade
from gill_bench.rundir.session import this_session
from gill_bench.rundir.writer import add_session, seal_spec, spec_to_renew, write_experiment, write_results, write_spec
from gill_bench.scoring import score_units
from gill_bench.scoring.rows import missing_of, rows_of
from gill_bench.scoring.stored import StoredCell
from gill_bench.scoring.unmade import unmade_of
from gill_bench.weights.find import MINI


@dataclass(frozen=True)
class Outcome:
    """The outcome of a command that worked on a run.

    Attributes:
        results: The content of `results.json`; if the run was not scored, the content from before the command.
        failures: Examples that a model failed on.
        left: How many outputs other parts of the run (`--shard`) still have to make before it can be scored; 0 if it
            was scored.
        again: A sentence for each call that raised with several prompts and worked with one at a time.
    """

    results: Results
    failures: list[Failure] = field(default_factory=list)
    left: int = 0
    again: list[str] = field(default_factory=list)

    def lacking(self, goes_on: str) -> list[str]:
        """Sentences about the samples without a value, each with what is to be done; empty if every sample has one.

        Args:
            goes_on: The command that makes the outputs that are not there, such as "the same command".
        """
        pending = {(item.task, item.model) for item in self.results.unmade if item.outcome == "failed"}
        failed = [row for row in self.results.rows if row.n_failed]
        unscored = ", ".join(dict.fromkeys(row.metric for row in failed if (row.task, row.model) not in pending))
        again = f"{goes_on} tries them again" if pending else ""
        actions: dict[LossReason, str] = {
            "failed": "; ".join(part for part in (again, f"not scored in {unscored}" if unscored else "") if part),
            "refused": f"{goes_on} asks again",
            "not made": f"{goes_on} goes on",
        }
        return [
            f"{sentence}; {actions[outcome]}" for outcome, sentence in Counts.of(self.results.rows).in_words().items()
        ]

    @property
    def complete(self) -> bool:
        """Whether every requested output is stored and scored; for one part of several, whether no example failed."""
        return not self.failures and (self.left > 0 or all(row.n_lost == 0 for row in self.results.rows))


def execute(plan: Plan) -> Outcome:
    """Generate the outputs that a plan lacks, score them, and write the results.

    If the request is one part of several (`RunRequest.shard`), the command that makes the last output scores them all.
    """
    run = plan.request.out
    cells = [planned.cell for planned in plan.cells]
    with RunLock(run, locks=plan.options.locks) as lock:
        with lock.shared_files():
            remove_leftovers(run)
            spec = spec_to_renew(run)
            for message in _changed(spec, plan.cells):
                say(message)
            merged = merge_spec(run, spec, cells)
            write_spec(run, merged)
            whole = {cell.cell_key for cell in merged.cells} <= {cell.key for cell in cells}
            write_experiment(run, stored_experiment(run, plan.request, whole=whole))
            add_session(run, this_session(plan.device, plan.request.batch_size))
        with open_engine(run, plan.options, lock) as workers:
            _generate(plan, workers)
            left = _left(plan) if plan.request.shard[1] > 1 else 0
            if left:
                return Outcome(_earlier_results(run / RESULTS), workers.failures, left, workers.again)
            return Outcome(finish(cells, run, lock, workers, renew=True), workers.failures, again=workers.again)


def _generate(plan: Plan, workers: Engine) -> None:
    plans = plan.share
    pending = sum(planned.samples_pending for planned in plans)
    if not pending:
        return
    with bar("generating", pending, "samples") as step:
        for timed in (False, True):  # jobs that are timed have the machine to themselves, after the others
            cells = [planned for planned in plans if planned.cell.timed is timed]
            batches = generation_jobs(cells, plan.models, plan.request.batch_size, step, plan.request.out)
            workers.work(batches, sum(planned.samples_pending for planned in cells), alone=timed)


def _left(plan: Plan) -> int:
    """The number of outputs of the run that are not made yet, by this command or another."""
    return sum(plan_cell(planned.cell, plan.request.out).samples_pending for planned in plan.cells)


def score(
    run: Path,
    device: str = "auto",
    threads: int = 0,
    data: str | None = None,
    *,
    workers: int = 0,
    engine: str = DEFAULT_ENGINE,
    address: str = "",
    locks: bool = True,
) -> Outcome:
    """Score what is stored in a run directory and write its results again; generates nothing.

    Args:
        run: The run directory.
        device: A torch device, or several of one kind between commas; "auto" is the first CUDA device, else the CPU.
        threads: CPU threads of each process; 0 for as many as the command had that last worked on the run, so that the
            same bytes come out.
        data: The folder of the data; None for the folder that the run names.
        workers: Processes per device; with Ray the number of all workers. 0 for the engine's choice.
        engine: The engine's name, such as "local" or "ray".
        address: The address of a Ray cluster, or "".
        locks: False for a file system without locks; then no other command may work on the run meanwhile.

    Raises:
        InputError: The folder is not that of a run, or its data is not where it was.
    """
    cells = cells_of(run, data)
    embedded = all(cell.task.metric_weights == MINI for cell in cells)
    options = execution_options(
        RunRequest(
            (),
            run,
            weights=MINI if embedded else "",
            device=device,
            threads=threads or threads_of_last_session(run),
            workers=workers,
            engine=engine,
            address=address,
            locks=locks,
        )
    )
    with RunLock(run, locks=locks) as lock, open_engine(run, options, lock) as scorers:
        with lock.shared_files():
            seal_spec(run)
        return Outcome(finish(cells, run, lock, scorers))


def cells_of(run: Path, data: str | None = None) -> list[Cell]:
    """The cells that a run was asked for, with their data opened and checked again.

    Args:
        run: The run directory.
        data: The folder of the data; None for the folder that the run names.

    Raises:
        InputError: The folder is not that of a run, or its data is not where it was.
    """
    spec = read_spec(run)
    if not spec.cells:
        raise no_spec(run)
    contexts: dict[str, list[Context]] = {name: [] for name in spec.tasks}
    for stored in spec.cells:
        if stored.context != CANDIDATES:
            card = task_arguments(run, spec.tasks[stored.task_as], data)["card"]
            contexts[stored.task_as] += choose_contexts(card, [stored.context])
    with bars("pictures") as progress:
        tasks = {
            name: open_task(**task_arguments(run, task, data), contexts=contexts[name], progress=progress)
            for name, task in spec.tasks.items()
        }
    cells: dict[CellKey, Cell] = {}
    for entry in sorted(
        spec.cells, key=lambda cell: cell.context != CANDIDATES
    ):  # a cell that searches is given its candidates
        task: ResolvedTask = tasks[entry.task_as]
        cell = Cell(task, entry.model, task.context(entry.context), entry.seeds, entry.recipe, entry.notes)
        if cell.asks == "embeddings":
            cell = replace(cell, candidates=cells.get(CellKey(entry.task, entry.model, CANDIDATES)))
        cells[cell.key] = cell
    return list(cells.values())


def _changed(spec: Spec, plans: Sequence[CellPlan]) -> Iterator[str]:
    """Sentences about settings, texts and pictures that are not those of the stored units."""
    before = {cell.cell_key: cell.recipe for cell in spec.cells}
    for plan in plans:
        old = before.get(plan.cell.key)
        if old is not None and old != plan.cell.recipe:
            fields = "; ".join(changes(dict(old), dict(plan.cell.recipe)))
            yield (
                f"{plan.cell.key}: {fields}. {plan.other_recipe} stored units were made with other settings; they are"
                " kept and ignored."
            )
        if plan.changed:
            names = ", ".join(plan.changed[:3]) + (" and others" if len(plan.changed) > 3 else "")
            yield (
                f"{plan.cell.key}: the texts or pictures of {len(plan.changed)} stored examples have changed ({names});"
                " their outputs are made again."
            )


def finish(cells: Sequence[Cell], run: Path, lock: RunLock, workers: Engine, *, renew: bool = False) -> Results:
    """Score the stored outputs of cells and write the results.

    Args:
        cells: The cells.
        run: The run directory.
        lock: The lock of the run.
        workers: The engine that scores.
        renew: Whether the cells are written into `spec.json` again. Another command may have asked for other parts of
            the same cells meanwhile, and results and spec must agree.
    """
    stored = [StoredCell.read(cell, run) for cell in cells]
    with bars("pictures") as progress:
        failed = score_units(stored, workers, progress)
    with lock.shared_files():
        rows = [row for cell in stored for row in rows_of(cell)]
        unmade = [item for cell in stored for item in unmade_of(cell)]
        results = _merge_results(run / RESULTS, cells, rows, unmade)
        write_results(run, results)
        if renew and (merged := merge_spec(run, spec := spec_to_renew(run), cells)) != spec:
            write_spec(run, merged)
    if failed:
        for message in failed[1:]:
            say(f"error: {message}")
        raise GillBenchError(f"{failed[0]}\nall other scores are in {run / RESULTS}")
    return results


def _merge_results(file: Path, cells: Sequence[Cell], rows: Sequence[Row], unmade: Sequence[Unmade]) -> Results:
    """The new rows of some cells, together with the earlier rows of all others."""
    keys = {cell.key for cell in cells}
    old = _earlier_results(file)
    kept = [row for row in old.rows if row.cell_key not in keys]
    tasks = {cell.task.card.name for cell in cells}
    missing = [item for item in old.missing if item.task not in tasks] + missing_of(cells)
    notes = dict.fromkeys([*(note for cell in cells for note in cell.notes), *(old.notes if kept else ())])
    unmade = [*(item for item in old.unmade if item.cell_key not in keys), *unmade]
    return Results(
        tuple(sorted([*kept, *rows], key=_row_order)),
        tuple(missing),
        tuple(sorted(notes)),
        tuple(sorted(unmade, key=lambda item: (item.task, item.model, item.context))),
    )


def _earlier_results(file: Path) -> Results:
    """The content of `results.json`; none if it is absent or damaged, since `score` makes it again from the units."""
    if not file.exists():
        return Results(())
    try:
        return read_results(file)
    except InputError as error:
        say(f"warning: {error}")
        say(f"the file is written anew; to have the rows of other commands too: {command('score', file.parent)}")
        return Results(())


def _row_order(row: Row) -> tuple[str, str, str, str, int]:
    return row.task, row.model, row.context, row.metric, row.seed
