"""The fields of each kind of card, as pydantic models that refuse unknown keys."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from gill_bench.cards.limits import MOST
from gill_bench.cards.sources import Component, Download, Inside
from gill_bench.errors import did_you_mean
from gill_bench.interfaces import Capability, OutputKind

SCHEMA_VERSION = 1
Value = bool | int | float | str
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataSpec(_Strict):
    """The data that a task reads.

    Attributes:
        format: The registered name of the data set's reader.
        folder: The data set's folder inside `--data DIR`; several tasks may share it. Where DIR has no folder of this
            name, DIR itself is the data set's folder.
        split: The split that is read without `--split`.
        options: Settings of the reader; its module checks them.
        downloads: The files that a user has to download.
        licence: The licence of the data, or where its terms are.
        citation: Authors, title, venue and year of the publication that introduced the data.
    """

    format: str
    folder: Inside
    split: str
    licence: str = ""
    citation: str = ""
    options: dict[str, Value] = {}
    downloads: tuple[Download, ...] = ()


class MetricSpec(_Strict):
    """A metric of a task.

    Attributes:
        name: The metric's registered name, or `file.py` or `file.py:Name`, relative to the card.
        weights: The weights of the metric's backbone; None for a metric without a network.
        settings: Settings of the metric; its module checks them.
        mini: Settings that replace those of `settings` when the backbone is a small embedded one.
    """

    name: str
    weights: Component | None = None
    settings: dict[str, Value] = {}
    mini: dict[str, Value] = {}


class MiniTask(_Strict):
    """The values that replace a task's own when it runs on the embedded mini world."""

    split: str | None = None
    data: dict[str, Value] = {}
    prompt: dict[str, Value] = {}
    scoring: dict[str, Value] = {}
    sampling: dict[str, Value] = {}


class TaskCard(_Strict):
    """One evaluation.

    Attributes:
        title: The name of the task in tables.
        paper: The sections, tables and figures of the paper that have the task's numbers.
        capability: The capability that a model must have.
        unit_size: The number of examples in a unit of work; a killed run loses at most one unit per model and context.
        seeds: The number of seeds without `--seeds`.
        data: The data that is read.
        contexts: Named lists of contexts. `paper` is the default of `--contexts`.
        variants: The contexts in which `--models all` also runs variants of models (cards with `extends`).
        sampling: Settings of models for this task, such as the guidance scale; a model ignores settings it lacks.
        prompt: Settings that decide how an example becomes a prompt; after a change, outputs are generated again.
        scoring: Settings that decide how stored outputs become numbers; after a change, nothing is generated again.
        metrics: The metrics, in the order in which they are computed.
        mini: The values that differ on the mini world; None if the task cannot run on it.
        home: The folder of the card's file; set when the card is read, and never written.
    """

    kind: Literal["task"] = "task"
    schema_: int = Field(alias="schema")
    name: Name
    title: str
    paper: str
    capability: Capability
    unit_size: int = Field(gt=0, le=1_000_000)
    seeds: int = Field(default=5, gt=0, le=MOST["seeds"])
    data: DataSpec
    contexts: dict[str, tuple[str, ...]]
    variants: tuple[str, ...] = ()
    sampling: dict[str, Value] = {}
    prompt: dict[str, Value] = {}
    scoring: dict[str, Value] = {}
    metrics: tuple[MetricSpec, ...]
    mini: MiniTask | None = None
    home: str = Field(default="", exclude=True)


class MiniModel(_Strict):
    """The settings that replace a model's own when it runs on the small embedded weights."""

    settings: dict[str, Value] = {}


Reads = tuple[Literal["text", "image"], ...]


def _check_inputs(value: object) -> object:
    """Check `inputs` of a card: a list of "text" and "image", or a table with such a list for each capability."""
    for kinds in value.values() if isinstance(value, dict) else (value,):
        if not isinstance(kinds, list | tuple) or not kinds or not set(map(str, kinds)) <= {"text", "image"}:
            raise ValueError(
                'expected a list of "text" and "image", or a table with such a list for each capability, as in'
                ' {"image-generator" = ["text"], "text-generator" = ["text", "image"]}'
            )
    if isinstance(value, dict):
        capabilities = get_args(Capability)
        for name in value:
            if name not in capabilities:
                raise ValueError(f"{name!r} is no capability; {did_you_mean(str(name), capabilities)}")
    return value


class ModelCard(_Strict):
    """One model.

    Attributes:
        title: The name of the model in tables.
        paper: The section or publication that describes the model.
        extends: The name of the model that this model is a variant of. Fields that the variant's card leaves out are
            taken from that model's card, except that weights with another folder or id take nothing from it. Variants
            run when they are named, not with `--models all`.
        adapter: The registered name of the adapter, or `file.py` or `file.py:Name`, relative to the card.
        capabilities: The capabilities of the model.
        inputs: The kinds of segments that a prompt may hold: a list, or a table with a list for each capability (some
            models read pictures to answer questions, but generate pictures from text alone). In a context with
            pictures, tables show "-" for a model that reads only text.
        weights: The weights by their role in the model, such as "llm".
        settings: Sampling and precision; the adapter checks them before any weights are loaded.
        mini: The settings that differ with the embedded weights.
        home: The folder of the card's file; set when the card is read, and never written.
        given: The class or object, for a model that is given from Python; never read or written.
    """

    kind: Literal["model"] = "model"
    schema_: int = Field(alias="schema")
    name: Name
    title: str
    paper: str = ""
    extends: str = ""
    adapter: str
    capabilities: tuple[Capability, ...]
    inputs: Annotated[Reads | dict[Capability, Reads], BeforeValidator(_check_inputs)]
    weights: dict[str, Component] = {}
    settings: dict[str, Value] = {}
    mini: MiniModel = MiniModel()
    home: str = Field(default="", exclude=True)
    given: Any = Field(default=None, exclude=True, repr=False)

    @model_validator(mode="after")
    def _every_capability_has_inputs(self) -> Self:
        if isinstance(self.inputs, dict) and set(self.inputs) != set(self.capabilities):
            unlike = sorted(set(self.inputs) ^ set(self.capabilities))
            raise ValueError(
                f"inputs: expected a list for each of the capabilities, {', '.join(self.capabilities)}, and for nothing"
                f" else; look at {', '.join(unlike)}"
            )
        return self

    def reads(self, capability: Capability) -> Reads:
        """The kinds of segments that a prompt may hold when the model uses a capability; () if it does not have it."""
        return self.inputs.get(capability, ()) if isinstance(self.inputs, dict) else self.inputs


class ReportRow(_Strict):
    """A row of a table.

    Attributes:
        model: The name of the model's card. A row whose numbers only the paper has names a model without a card.
        title: The text in the row's first cell.
        context: The context of the row's numbers, where contexts differ by row; "" where columns name them.
        asks: The output kind of that context, unless it is the usual one of the task's capability.
        published: The name of the row in the paper's table; "" if the paper has no such row.
        published_column: The name of the column in the paper's table, unless the column here names it.
    """

    model: str
    title: str
    context: str = ""
    asks: OutputKind | None = None
    published: str = ""
    published_column: str = ""


class ReportColumn(_Strict):
    """A column of a table: one metric of one task in one context.

    Attributes:
        task: The name of the task's card.
        context: The context of the column's numbers; "" where rows name theirs.
        asks: The output kind of that context, unless it is the usual one of the task's capability.
        metric: The name of the metric as in the rows of a run.
        over: Another context of the task. The column then shows how much better the number is in `context` than in this
            one, paired over examples and seeds, instead of the number.
        if_above: What a gain that stands out says of a model, such as "uses its pictures"; "" for nothing.
        if_not: What a gain that does not stand out says of a model.
        title: The heading of the column.
        group: The heading above this one, shared by neighbouring columns; "" for none.
        digits: The number of decimals.
        percent: Whether fractions are printed as percent.
        x: The column's position on the axis of the layout's figure; None if the column is not drawn.
        series: The curve that the column belongs to, if a model has several curves in the figure.
        published: The name of the column in the paper's table; "" where rows name theirs, or the paper has none.
        published_metric: The name of the metric among the published numbers, unless it is `metric`.
    """

    task: str
    context: str = ""
    asks: OutputKind | None = None
    metric: str
    over: str = ""
    if_above: str = ""
    if_not: str = ""
    title: str
    group: str = ""
    digits: int = 3
    percent: bool = False
    x: float | None = None
    series: str = ""
    published: str = ""
    published_metric: str = ""


class ReportFigure(_Strict):
    """The axes of a layout's figure, in which columns with an `x` are drawn; all have the same metric.

    Attributes:
        x: The label of the horizontal axis, on which columns have their position.
        y: The label of the vertical axis, which shows the numbers.
    """

    x: str
    y: str


class ReportCard(_Strict):
    """The layout of one table of the paper.

    Attributes:
        title: The heading of the table.
        caption: The text below the table.
        published_table: The name of the paper's table whose numbers are compared.
        on_request: Whether the table is shown only when it is named.
        figure: The axes of the figure; None for a layout that is not drawn.
        rows: The rows, from the top.
        columns: The columns, from the left.
    """

    kind: Literal["report"] = "report"
    schema_: int = Field(alias="schema")
    name: Name
    title: str
    caption: str
    published_table: str
    on_request: bool = False
    figure: ReportFigure | None = None
    rows: tuple[ReportRow, ...]
    columns: tuple[ReportColumn, ...]

    @property
    def shows_gains(self) -> bool:
        """Whether the columns show gains of one context over another."""
        return any(column.over for column in self.columns)

    @model_validator(mode="after")
    def _all_or_no_gains(self) -> Self:
        bare = [column.title for column in self.columns if not (column.over and column.context)]
        if self.shows_gains and bare:
            raise ValueError(
                f"the column {bare[0]!r}: every column of a layout of gains needs a `context` and an `over`"
            )
        return self


class PublishedNumber(_Strict):
    """One number of the paper, as printed; `std` is the number after its plus-minus sign, whose kind is not stated."""

    table: str
    row: str
    column: str
    metric: str
    value: float
    std: float | None = None
    unit: str
    higher_is_better: bool | None = None
    source: str
    note: str = ""


class PublishedCard(_Strict):
    """Every number of the paper."""

    kind: Literal["published"] = "published"
    schema_: int = Field(alias="schema")
    name: Name
    title: str
    source: str
    numbers: tuple[PublishedNumber, ...]
