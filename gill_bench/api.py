"""The Python interface: run evaluations, load what they left, and look at it as tables.

import gill_bench

run = gill_bench.run("vist", models=["gill"], limit=8, seeds=2)
run.results                          # a row per task, model, context, seed and metric
run.samples("vist", pictures=True)   # a row per output, with its values
run.status, run.failures             # what is stored, how long the rest takes; examples that a model failed on
print(run.report(compare=True))      # the paper's tables; in a notebook they are shown as such
gill_bench.compare("runs/before", "runs/after")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Never

from gill_bench.cards.find import Cards
from gill_bench.storage.files import folder_of

if TYPE_CHECKING:
    import pandas as pd

    from gill_bench.analysis.golden import RegressionVerdict
    from gill_bench.analysis.status import RunStatus
    from gill_bench.reporting.structure import Table
    from gill_bench.rundir.reader import RunReader

Setting = bool | int | float | str
"""The value of a setting of a task or model."""
Models = str | Path | type | object | Sequence[str | Path | type | object] | Mapping[str, type | object]
"""Models by name, by a card's path, as classes or as objects."""


@dataclass(frozen=True)
class Report:
    """Tables of results; `str` gives them as text, and a notebook shows them as tables.

    Attributes:
        tables: The content of the tables, not yet in any format.
    """

    tables: tuple[Table, ...]

    def render(self, format: str) -> str:
        """The tables in a format of `gill-bench report`: markdown, latex, html, csv, json, ..."""
        from gill_bench.reporting import render

        return render(self.tables, format)

    def save(self, file: Path | str) -> None:
        """Write a file in the format that its ending stands for, such as .tex, .parquet, or .svg of one figure.

        Raises:
            InputError: The ending stands for no format, or for a figure, and the report has none or several.
        """
        from gill_bench.errors import InputError
        from gill_bench.reporting import SUFFIXES, render_file
        from gill_bench.storage.files import write_atomic

        suffix = Path(file).suffix
        if suffix not in SUFFIXES:
            raise InputError(f"{file}: its ending names no format; end it in {', '.join(SUFFIXES)}")
        write_atomic(Path(file), render_file(self.tables, SUFFIXES[suffix]))

    def __str__(self) -> str:
        """The tables as text, as `gill-bench report` shows them: with the notes that nobody can do without."""
        from gill_bench.reporting import render

        return render(self.tables, "terminal", notes=False)

    def _repr_markdown_(self) -> str:
        return self.render("markdown")

    def _repr_html_(self) -> str:
        """HTML for a notebook: tables, and figures where their bands are known."""
        from gill_bench.reporting import render
        from gill_bench.reporting.figure import has_bands, render_figure_html

        return "\n".join(
            render(table, "html") + (render_figure_html(table) if has_bands(table) else "") for table in self.tables
        )


@dataclass(frozen=True)
class Run:
    """A run directory.

    Attributes:
        folder: The folder of the run.
    """

    folder: Path

    @property
    def status(self) -> RunStatus:
        """The status as of now: what is stored of each cell, how long the rest takes (`gill_bench.status`)."""
        return status(self.folder)

    @property
    def failures(self) -> pd.DataFrame:
        """One row per example and seed that a model failed on or refused.

        Its columns are task, model, context, example, seed, outcome ("failed" or "refused"), reason (the exception's
        type and message), where (file and line in the model's code, or "") and record (the file of the run that holds
        the traceback, or ""). The same call of `run` tries them again.
        """
        import pandas as pd

        from gill_bench.reporting.notebook import failure_rows

        columns = ["task", "model", "context", "example", "seed", "outcome", "reason", "where", "record"]
        return pd.DataFrame([row for item in self.status.failures for row in failure_rows(item)], columns=columns)

    @property
    def results(self) -> pd.DataFrame:
        """One row per task, model, context, seed and metric, with all counts (`gill_bench.rundir.rows.Row`)."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self._stored().results.rows])

    def samples(self, task: str = "", model: str = "", context: str = "", *, pictures: bool = False) -> pd.DataFrame:
        """One row per stored output, with a column per metric that has values of single examples.

        Args:
            task: Only the outputs for this task; "" for all tasks.
            model: Only the outputs of this model; "" for all models.
            context: Only the outputs in this context; "" for all contexts.
            pictures: Load the pictures, as PIL pictures in the column `picture`, which a notebook shows; otherwise only
                the column `file` says where they are.

        Raises:
            InputError: The run has no task, model or context of that name.
        """
        import pandas as pd

        from gill_bench.errors import InputError, did_you_mean
        from gill_bench.reporting.notebook import Samples, sample_rows

        names = (task, model, context)
        stored = self._stored()
        for number, (kind, name) in enumerate(zip(("task", "model", "context"), names, strict=True)):
            stored_names = {cell[number] for cell, _ in stored.rows}
            if name and name not in stored_names:
                raise InputError(f"{self.folder}: has no {kind} {name!r}; {did_you_mean(name, stored_names)}")
        cells = [cell for cell, _ in stored.rows if all(a in ("", b) for a, b in zip(names, cell, strict=True))]
        rows = [row for cell in dict.fromkeys(cells) for row in sample_rows(stored, cell, pictures)]
        return Samples(rows) if pictures else pd.DataFrame(rows)

    def report(self, *tables: str, compare: bool = False) -> Report:
        """The paper's tables, with the results of this run.

        Args:
            tables: Names of report cards, tables or figures; without names, all that the run has results for.
            compare: Also show the paper's numbers, and whether they lie in the 95 % intervals of the run's.
        """
        return _report([self.folder], tables, compare, {})

    def page(self, folder: Path | str | None = None, *, data: str | None = None) -> Path:
        """Write the page with tables, figures and galleries (docs/page.md), or renew it.

        Args:
            folder: The folder of the page; None for `page` in the run directory.
            data: The folder where the run's data is now; None for the folder where it was.

        Returns:
            The file to open with a browser.
        """
        from gill_bench.reporting.page.gather import write_report_page

        return write_report_page([self.folder], None if folder is None else Path(folder), data=data)

    def check(self, golden: Path | str, tolerance: float = 0.0) -> list[RegressionVerdict]:
        """Compare with a golden file (`gill_bench.analysis.golden`)."""
        from gill_bench.analysis.golden import check, read_golden

        return check(self._stored(), read_golden(Path(golden)), tolerance)

    def _repr_markdown_(self) -> str:
        return self.report()._repr_markdown_()

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()

    def _stored(self) -> RunReader:
        from gill_bench.rundir.reader import RunReader

        return RunReader.open(self.folder)


def run(
    *tasks: str | Path,
    out: Path | str | None = None,
    models: Models = "all",
    contexts: str | Sequence[str] = (),
    seeds: int | Sequence[int] | None = None,
    limit: int | None = None,
    data: Path | str = "mini",
    split: str | None = None,
    weights: Path | str = "mini",
    metric_weights: Path | str | None = None,
    settings: Mapping[str, Setting | Mapping[str, Setting]] | str | Sequence[str] = (),
    device: str | Sequence[str] = "auto",
    batch_size: int | None = None,
    threads: int | None = None,
    workers: int | None = None,
    engine: str = "local",
    address: str | None = None,
    max_failures: int | None = None,
    shard: tuple[int, int] | None = None,
    card_folders: Path | str | Sequence[Path | str] = (),
    locks: bool = True,
    probe: bool = False,
    **unknown: Never,
) -> Run:
    """Run tasks as `gill-bench run` does; the same call again resumes.

    Args:
        tasks: Names of tasks or paths of cards; "all" for all tasks.
        out: The run directory, as a path or a URL; None for `runs/<tasks>`.
        models: A name, a card's path, a class or an object, or a list of these; a dict of classes and objects gives the
            names that rows are to have (`{"mine": model}`). "all" for every model that can do a task. Classes and
            objects run in this process.
        contexts: A name such as "5-captions", a list of the card such as "paper" or "sweep", or a list of these; by
            default "paper".
        seeds: The number of seeds (0, 1, ...), or a list such as [0, 3]; None for as many as the task's card says.
        limit: At most so many examples of each task, from the start of the data; None for all.
        data: The folder of the official files, or "mini" for the embedded world.
        split: Another split than the card's.
        weights: The folder with the models' weights, or "mini" for the embedded ones.
        metric_weights: The same for the metrics' backbones; None for the value of `weights`.
        settings: Settings of tasks and models: {"gill.guidance_scale": 3.0}, {"gill": {"guidance_scale": 3.0}}, or
            texts as `--set` takes them, "gill.guidance_scale=3.0".
        device: A torch device, or several of one kind; "auto" for the first CUDA device, else the CPU.
        batch_size: Prompts in one call of a model, each with all its seeds; None for all of a unit, and on the CPU 16
            for anything but pictures.
        threads: CPU threads of each process; None for one with embedded weights, else torch's own choice.
        workers: Processes per device; with Ray of all machines. None for one per processor with embedded weights on
            the CPU, else for one per device.
        engine: "local", or "ray" for a cluster.
        address: The address of the Ray cluster, "auto" or "host:port"; None for that of RAY_ADDRESS, else a new one.
        max_failures: More failed examples than these stop the run; None for 10.
        shard: (number, parts): only the units of one of so many equal parts; the first is 1.
        card_folders: A folder with cards of your own, or several.
        locks: False for a file system without locks; then no other command may work on the run meanwhile.
        probe: Also find out which parts of each context are read (60 calls a cell), and keep it.
        unknown: Any other name is an error, which says what was probably meant.

    Returns:
        The run; `status` and `failures` say what is not complete.

    Raises:
        InputError: A name, option, card, data set or checkpoint is wrong; found before any weights are loaded.
    """
    options = {name: value for name, value in locals().items() if name not in ("tasks", "out", "unknown")}
    from gill_bench.evaluate import execute
    from gill_bench.planning.plan import make_plan
    from gill_bench.planning.request import RunRequest

    request = RunRequest.of(tasks, out, **options, **unknown)
    plan = make_plan(request)
    execute(plan)
    if probe and request.shard[0] == 1:
        from gill_bench.checks.probe import probe_run

        probe_run(plan)
    return Run(request.out)


def load_run(folder: Path | str) -> Run:
    """Load a run from its directory.

    Raises:
        InputError: The folder is no run directory, or the run was not scored.
    """
    run = Run(folder_of(folder))
    run._stored()
    return run


def status(run: Path | str) -> RunStatus:
    """The status of a run: what is stored of each cell, what failed, how long the rest takes; also while it runs.

    Args:
        run: A run directory, scored or not.

    Returns:
        The status; `cells`, `failures`, `seconds_left` and `pictures()` say more (`gill_bench.analysis.status`).

    Raises:
        InputError: The folder is no run directory.
    """
    from gill_bench.analysis.status import status

    return status(folder_of(run))


def compare(first: Path | str, second: Path | str) -> pd.DataFrame:
    """Compare two runs, or two models: one row per metric (`gill_bench.analysis.compare.Comparison`).

    Args:
        first: A run directory, or one of its models as "RUN:MODEL".
        second: The run, or model, that is compared with the first.

    Returns:
        The table. Its `attrs["left_out"]` lists metrics that could not be compared, and why; `attrs["lone"]` lists rows
        that only one of the two has.
    """
    import pandas as pd

    from gill_bench.analysis.compare import compare as compare_sides
    from gill_bench.analysis.side import Side

    rows = []
    comparisons = compare_sides(Side.parse(str(first)), Side.parse(str(second)))
    for comparison in comparisons:
        row = asdict(comparison)
        row |= {"better": comparison.better, **{f"difference_{k}": v for k, v in row.pop("difference").items()}}
        rows.append(row)
    # Otherwise pandas gives columns with nothing but None the type object.
    frame = pd.DataFrame(rows).astype({"p_mcnemar": float, "effect_size": float, "better": "boolean"})
    frame.attrs.update(left_out=[asdict(metric) for metric in comparisons.left_out], lone=list(comparisons.unmatched))
    return frame


def leaderboard(folder: Path | str, *, metrics: Sequence[str] = ()) -> pd.DataFrame:
    """Rank the models of all runs of a folder: one row per task, context, metric and model.

    Args:
        folder: A folder with runs, at any depth.
        metrics: Names of the metrics to rank by; () for all.

    Returns:
        The table, best rank first. Models share a rank where paired tests show no difference
        (`gill_bench.analysis.leaderboard`). Its `attrs["not_ranked"]` lists the runs and numbers that are in no
        ranking, and why.

    Raises:
        InputError: There is no run in the folder, or no run has one of the metrics.
    """
    import pandas as pd

    from gill_bench.analysis.leaderboard import leaderboard
    from gill_bench.reporting.leaderboard import entry_fields

    board = leaderboard(folder_of(folder), Cards(), metrics)
    frame = pd.DataFrame(list(entry_fields(board)))
    frame.attrs["not_ranked"] = [asdict(left) for left in board.not_ranked]
    return frame


def report(
    *runs: Path | str, tables: str | Sequence[str] = (), compare: bool = False, names: Mapping[str, str] | None = None
) -> Report:
    """The paper's tables, with the results of several runs taken together.

    Args:
        runs: Run directories. A model that several of them ran in different ways is named after what differs.
        tables: A name of a report card, table or figure, or several; without names, all that there are results for.
        compare: Also show the paper's numbers, and whether they lie in the 95 % intervals of the run's.
        names: Models that are shown besides, as "RUN:MODEL", by the names that they are to have.
    """
    several = [tables] if isinstance(tables, str) else tables
    return _report([folder_of(run) for run in runs], several, compare, names or {})


def _report(folders: Sequence[Path], tables: Sequence[str], compare: bool, names: Mapping[str, str]) -> Report:
    from gill_bench.analysis.intervals import StoredIntervals
    from gill_bench.analysis.named import named_runs
    from gill_bench.reporting import tables_for

    readers, cards = named_runs(folders, names, Cards())
    return Report(tuple(tables_for(readers, cards, list(tables) or None, compare, StoredIntervals(readers))))


def list_tasks() -> list[str]:
    """The names of all tasks."""
    return [card.name for card in Cards().tasks()]


def list_models() -> list[str]:
    """The names of all models."""
    return [card.name for card in Cards().models()]
