"""The Python interface: run evaluations, load what they left, and look at it as tables.

import gill_bench

run = gill_bench.run("vist", models=["gill"], limit=8, seeds=2)
run.results                          # a row per task, model, context, seed and metric
run.samples("vist", pictures=True)   # a row per output, with its values
print(run.report(compare=True))      # the paper's tables; in a notebook they are shown as such
gill_bench.compare("runs/before", "runs/after")
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gill_bench.cards.find import Cards
from gill_bench.storage.files import folder_of

if TYPE_CHECKING:
    import pandas as pd

    from gill_bench.analysis.golden import RegressionVerdict
    from gill_bench.reporting.structure import Table
    from gill_bench.rundir.reader import RunReader
    from gill_bench.rundir.records import CellKey


@dataclass(frozen=True)
class Report:
    """Tables, as text with `str`, and as tables in a notebook.

    Attributes:
        tables: What they hold, without any format.
    """

    tables: tuple[Table, ...]

    def render(self, format: str) -> str:
        """The tables in a format of `gill-bench report`: markdown, latex, html, csv, json, ..."""
        from gill_bench.reporting import render

        return render(self.tables, format)

    def save(self, file: Path | str) -> None:
        """Write a file in the format that its ending stands for, such as .tex, .parquet, or .svg of one figure.

        Raises:
            InputError: The ending stands for none, or a figure is asked for and there is none, or more than one.
        """
        from gill_bench.errors import InputError
        from gill_bench.reporting import SUFFIXES, render_file
        from gill_bench.storage.files import write_atomic

        suffix = Path(file).suffix
        if suffix not in SUFFIXES:
            raise InputError(f"{file}: its ending names no format; end it in {', '.join(SUFFIXES)}")
        write_atomic(Path(file), render_file(self.tables, SUFFIXES[suffix]))

    def __str__(self) -> str:
        """As in a terminal."""
        return self.render("terminal")

    def _repr_markdown_(self) -> str:
        return self.render("markdown")

    def _repr_html_(self) -> str:
        """As in a notebook: tables, and figures where their bands are known."""
        from gill_bench.reporting import render
        from gill_bench.reporting.figure import has_bands, render_figure_html

        return "\n".join(
            render(table, "html") + (render_figure_html(table) if has_bands(table) else "") for table in self.tables
        )


@dataclass(frozen=True)
class Run:
    """A run directory.

    Attributes:
        folder: Where it is.
    """

    folder: Path

    @property
    def results(self) -> pd.DataFrame:
        """One row per task, model, context, seed and metric, with all counts (`gill_bench.rundir.rows.Row`)."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self._stored().results.rows])

    def samples(self, task: str = "", model: str = "", context: str = "", *, pictures: bool = False) -> pd.DataFrame:
        """One row per stored output, with a column per metric that has values of single examples.

        Args:
            task: Only of this task; of all, if "".
            model: Likewise.
            context: Likewise.
            pictures: Load them, as PIL pictures in the column `picture`, which a notebook shows; else `file` says where
                they are.

        Raises:
            InputError: The run has none of that name.
        """
        import pandas as pd

        from gill_bench.errors import InputError, did_you_mean

        asked = (task, model, context)
        stored = self._stored()
        for number, (kind, word) in enumerate(zip(("task", "model", "context"), asked, strict=True)):
            known = {place[number] for place, _ in stored.rows}
            if word and word not in known:
                raise InputError(f"{self.folder}: has no {kind} {word!r}; {did_you_mean(word, known)}")
        places = [place for place, _ in stored.rows if all(w in ("", p) for w, p in zip(asked, place, strict=True))]
        found = [row for place in dict.fromkeys(places) for row in self._rows(stored, place, pictures)]
        if not pictures:
            return pd.DataFrame(found)
        from gill_bench.reporting.notebook import Samples

        return Samples(found)

    def report(self, *tables: str, compare: bool = False) -> Report:
        """The paper's tables of this run.

        Args:
            tables: Names of report cards, tables or figures; all that fit, if none.
            compare: Show the paper's numbers too, and whether they lie in the 95 % intervals of these.
        """
        return _report([self.folder], tables, compare)

    def page(self, folder: Path | str | None = None, *, data: str | None = None) -> Path:
        """Write the page with tables, figures and galleries (docs/page.md), or renew it.

        Args:
            folder: Of the page; `page` in the run directory, if None.
            data: Where the run's data is now; where it was, if None.

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

    def _rows(self, stored: RunReader, place: CellKey, pictures: bool) -> Iterator[dict[str, Any]]:
        metrics = {metric: stored.values(place, metric) for other, metric in stored.rows if other == place}
        for sample in stored.samples(place):
            example, seed = sample.key
            file = sample.picture
            row: dict[str, Any] = dict(zip(("task", "model", "context"), place, strict=True))
            row |= {"example": example, "seed": seed, "cluster": sample.cluster}
            row |= {"prompt": sample.details.get("prompt"), **sample.output}
            if file is not None:
                row["file"] = file
                if pictures:
                    from gill_bench.rundir.units import read_picture
                    from gill_bench.storage.images import load_image

                    row["picture"] = load_image(io.BytesIO(read_picture(file, sample.sha256)))
            for metric, values in metrics.items():
                if values is not None:
                    row[metric] = values.by_seed.get(seed, {}).get(example)
            yield row


def run(*tasks: str, out: Path | str | None = None, **options: Any) -> Run:
    """Run tasks as `gill-bench run` does; the same call again resumes.

    Args:
        tasks: Names of tasks or paths of cards.
        out: The run directory; None for `runs/<tasks>`.
        options: Other attributes of `gill_bench.planning.request.RunRequest`, with its defaults: models, contexts,
            seeds, limit, data, weights, settings, workers, ...

    Raises:
        InputError: A wrong name, option, card, data or checkpoint; found before any weights are loaded.
    """
    from gill_bench.evaluate import execute
    from gill_bench.planning.plan import make_plan
    from gill_bench.planning.request import RunRequest

    request = RunRequest.of(tasks, out, **options)
    execute(make_plan(request))
    return Run(request.out)


def load_run(folder: Path | str) -> Run:
    """A run directory that is there already.

    Raises:
        InputError: It is none, or was not scored.
    """
    found = Run(folder_of(folder))
    found._stored()
    return found


def compare(first: Path | str, second: Path | str) -> pd.DataFrame:
    """Is the second better than the first? One row per metric (`gill_bench.analysis.compare.Comparison`).

    Args:
        first: A run directory, or one of its models as "RUN:MODEL".
        second: Likewise.

    Returns:
        What could not be compared, and why, is in its `attrs["left_out"]`, and what one side alone has in
        `attrs["lone"]`.
    """
    import pandas as pd

    from gill_bench.analysis.compare import Side
    from gill_bench.analysis.compare import compare as compare_sides

    rows = []
    found = compare_sides(Side.parse(str(first)), Side.parse(str(second)))
    for one in found:
        row = asdict(one)
        row |= {"better": one.better, **{f"difference_{k}": v for k, v in row.pop("difference").items()}}
        rows.append(row)
    # Of nothing but None pandas would make objects.
    frame = pd.DataFrame(rows).astype({"p_mcnemar": float, "effect_size": float, "better": "boolean"})
    frame.attrs.update(left_out=[asdict(one) for one in found.left_out], lone=list(found.unmatched))
    return frame


def report(*runs: Path | str, tables: Sequence[str] = (), compare: bool = False) -> Report:
    """The paper's tables of several runs taken together.

    Args:
        runs: Run directories.
        tables: Names of report cards, tables or figures; all that fit, if none.
        compare: Show the paper's numbers too, and whether they lie in the 95 % intervals of these.
    """
    return _report([folder_of(one) for one in runs], tables, compare)


def _report(folders: Sequence[Path], names: Sequence[str], compare: bool) -> Report:
    from gill_bench.analysis.intervals import StoredIntervals
    from gill_bench.reporting import tables_for

    return Report(tuple(tables_for(folders, Cards(), list(names) or None, compare, StoredIntervals(folders))))


def list_tasks() -> list[str]:
    """Names of the tasks that there are."""
    return [card.name for card in Cards().tasks()]


def list_models() -> list[str]:
    """Names of the models that there are."""
    return [card.name for card in Cards().models()]
