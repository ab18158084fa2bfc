"""The first screen of a page: for each task what was found, its chart, and for the first task a strip of examples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gill_bench.analysis.gallery_records import Gallery, ModelTest
from gill_bench.reporting.page.charts import Chart, view_chart
from gill_bench.reporting.page.findings import TaskFinding, find
from gill_bench.reporting.page.folder import PageFolder
from gill_bench.reporting.page.galleries import GalleryPage
from gill_bench.reporting.page.numbers import Amounts, task_numbers
from gill_bench.reporting.page.strip import Strip, StripMaker, Values
from gill_bench.reporting.structure import Table


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task on the first screen.

    Attributes:
        finding: What was found.
        chart: The chart of its numbers.
        strip: The strip of examples; None for all tasks but the first, and where nothing can be shown.
        gallery: The address of its gallery, or "".
    """

    finding: TaskFinding
    chart: Chart
    strip: Strip | None
    gallery: str


class Overview:
    """Makes the first screen; its strip is collected while the galleries are written.

    Args:
        tables: The tables of the report.
        amounts: How many parts the contexts of tasks have.
        gains: By task, what each model gains from its richest context over its poorest.
        tests: The tests of pairs of models.
        tasks: The titles of tasks by name.
        models: The titles of models by name.
    """

    def __init__(
        self,
        tables: Sequence[Table],
        amounts: Amounts,
        gains: Mapping[str, Table],
        tests: Sequence[ModelTest],
        tasks: Mapping[str, str],
        models: Mapping[str, str],
    ) -> None:
        self._numbers = task_numbers(tables, tasks, amounts)
        self._models = models
        self._findings = [find(numbers, gains.get(numbers.task), tests, models) for numbers in self._numbers]
        self._strip: StripMaker | None = None

    def watch(self, galleries: Iterable[Gallery], values: Values) -> Iterable[Gallery]:
        """Pass galleries on, and keep what the strip of the first task shows.

        Args:
            galleries: The galleries, grouped by task.
            values: Gives the values of single examples.
        """
        if not self._findings:
            return galleries
        self._strip = StripMaker(self._findings[0], values, self._models)
        return self._strip.watch(galleries)

    def view(self, galleries: Sequence[GalleryPage], folder: PageFolder) -> list[TaskView]:
        """Lay out the tasks, once all galleries have been passed on; pictures are written into the page's folder."""
        return list(self._views({page.task: page for page in galleries}, folder))

    def _views(self, galleries: Mapping[str, GalleryPage], folder: PageFolder) -> Iterator[TaskView]:
        for at, (numbers, finding) in enumerate(zip(self._numbers, self._findings, strict=True)):
            page = galleries.get(finding.task)

            def link(context: str, metric: str, model: str, page: GalleryPage | None = page) -> str:
                return (page and page.link(context, metric, model)) or ""

            chart = view_chart(numbers, finding.model, self._models, link)
            samples = link(finding.contexts[finding.model], finding.metric, finding.model)
            strip = self._strip.strip(samples, folder) if at == 0 and self._strip is not None else None
            yield TaskView(finding, chart, strip, samples or (page.file if page else ""))
