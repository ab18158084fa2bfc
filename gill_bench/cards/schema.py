"""What cards may hold: pydantic models that refuse unknown keys, one per kind of card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from gill_bench.cards.limits import MOST
from gill_bench.errors import did_you_mean
from gill_bench.interfaces import Capability, OutputKind
from gill_bench.storage.names import path_problem

SCHEMA_VERSION = 1
Value = bool | int | float | str
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


def _inside(name: str) -> str:
    """The name of a folder or file, which stays inside the folder that the user gives."""
    problem = path_problem(name)
    if problem:
        raise ValueError(f"{problem}; expected a name inside the folder that is given, neither absolute nor with '..'")
    return name


Inside = Annotated[str, AfterValidator(_inside)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Component(_Strict):
    """One folder or file of weights, which has an `id` or a `folder`.

    Attributes:
        id: Hub id of the published weights, or "" where there is none.
        folder: Its name inside the folder given as `--weights DIR`; the last part of the id unless it is said.
        mini: Its name among the small embedded weights, or "" where there is none.
        files: What is fetched from the hub, as names or patterns; () for all but copies that are never read.
        url: Where to download it, for people.
        size: Download size, for people.
    """

    id: Inside = ""
    folder: Inside = ""
    mini: Inside = ""
    files: tuple[str, ...] = ()
    url: str = ""
    size: str = ""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, table: Any) -> Any:
        if not isinstance(table, Mapping) or table.get("folder"):
            return table
        name = table.get("id")
        if not name:
            raise ValueError("expected an id (of the hub) or a folder (inside that of --weights), or both")
        return {**table, "folder": PurePosixPath(name).name} if isinstance(name, str) else table


class Download(_Strict):
    """One file of a data set, or its folder of pictures. `{split}` in any text stands for the split that is read.

    Attributes:
        url: Of the file, of an archive that holds it, or of the page that offers it.
        to: Where the reader looks for it first, from the data set's folder; a folder of pictures ends with "/".
        also: Other places, or names, under which the reader finds it.
        size: Download size, for people.
    """

    what: str
    url: str
    to: str
    also: tuple[str, ...] = ()
    size: str = ""


class DataSpec(_Strict):
    """Which data a task reads.

    Attributes:
        format: Registered name of a data set reader.
        folder: Its folder inside `--data DIR`, which several tasks may share; DIR itself if there is none of this name.
    """

    format: str
    folder: Inside
    split: str
    options: dict[str, Value] = {}
    downloads: tuple[Download, ...] = ()


class MetricSpec(_Strict):
    """A metric by its registered name, its backbone weights and its settings.

    Attributes:
        mini: Settings that differ with the embedded weights.
    """

    name: str
    weights: Component | None = None
    settings: dict[str, Value] = {}
    mini: dict[str, Value] = {}


class MiniTask(_Strict):
    """What differs when the task runs on the embedded mini world."""

    split: str | None = None
    data: dict[str, Value] = {}
    prompt: dict[str, Value] = {}
    scoring: dict[str, Value] = {}
    sampling: dict[str, Value] = {}


class TaskCard(_Strict):
    """One evaluation.

    Attributes:
        capability: What a model must be able to do.
        unit_size: Examples in one unit of work: what a kill can cost at most, per model and context.
        seeds: How many seeds without `--seeds`.
        contexts: Named lists of contexts. `paper` is the default of `--contexts`.
        variants: Contexts in which variants of models (`extends`) are run with `--models all`.
        sampling: Settings of models for this task, such as its guidance scale; a model without a setting keeps its own.
        prompt: How an example becomes a prompt; whatever is here changes what a model is given.
        scoring: How stored outputs become numbers; a change here generates nothing again.
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


class MiniModel(_Strict):
    """What differs when the model runs on the small embedded weights."""

    settings: dict[str, Value] = {}


Reads = tuple[Literal["text", "image"], ...]


def _check_inputs(value: object) -> object:
    """`inputs` of a card: one list of what is read, or a table of such lists."""
    for read in value.values() if isinstance(value, dict) else (value,):
        if not isinstance(read, list | tuple) or not read or not set(map(str, read)) <= {"text", "image"}:
            raise ValueError(
                'expected a list of "text" and "image", or a table with such a list for each capability, as in'
                ' {"image-generator" = ["text"], "text-generator" = ["text", "image"]}'
            )
    if isinstance(value, dict):
        known = get_args(Capability)
        for name in value:
            if name not in known:
                raise ValueError(f"{name!r} is no capability; {did_you_mean(str(name), known)}")
    return value


class ModelCard(_Strict):
    """One model.

    Attributes:
        extends: Name of the model that this one is a variant of: whatever the card does not say is as there, but for
            weights of another folder or id, which take nothing over. Variants run when they are named, not with `all`.
        adapter: Registered name of the adapter, or `file.py` or `file.py:Name`, relative to the card.
        inputs: What a prompt may hold: one list, or a table with a list for each capability, as of a model that reads
            pictures to answer and paints from text alone. A context with pictures shows "-" where only text is read.
        settings: Sampling and precision; checked by the adapter before any weights load.
        home: The card's folder; set when it is read, never written.
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
        """What a prompt may hold when the model is asked for something that needs this capability."""
        return self.inputs.get(capability, ()) if isinstance(self.inputs, dict) else self.inputs


class ReportRow(_Strict):
    """A table row: a model by name, and its name in the paper's table.

    Attributes:
        model: Name of its card; rows that are the paper's alone name a model that has none.
        context: The context of this row's numbers, where rows differ in it and not columns.
        asks: What that context asks a model for, where that is not what the task's capability stands for.
        published: The paper's row; "" if it has none.
        published_column: The paper's column, where columns do not name it.
    """

    model: str
    title: str
    context: str = ""
    asks: OutputKind | None = None
    published: str = ""
    published_column: str = ""


class ReportColumn(_Strict):
    """A table column: one metric in one context; `group` is the heading above it.

    Attributes:
        context: "" where each row names its own.
        asks: What the context asks a model for, where that is not what the task's capability stands for.
        percent: Fractions are printed as percent.
        x: Where the column lies on the axis of the layout's figure; not drawn without.
        series: Of the figure, where a model has several curves.
        published: The paper's column; "" where each row names its own, or the paper has none.
    """

    task: str
    context: str = ""
    asks: OutputKind | None = None
    metric: str
    title: str
    group: str = ""
    digits: int = 3
    percent: bool = False
    x: float | None = None
    series: str = ""
    published: str = ""
    published_metric: str = ""


class ReportFigure(_Strict):
    """What makes a figure of a layout; columns with an `x` are drawn, all of one metric.

    Attributes:
        x: What the axis of the columns shows.
        y: What the numbers are.
    """

    x: str
    y: str


class ReportCard(_Strict):
    """The layout of one table of the paper.

    Attributes:
        figure: For a layout that can be drawn too.
        on_request: Shown only when it is named.
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


class PublishedNumber(_Strict):
    """One number of the paper, as printed. `std` is the figure after the plus-minus sign, of unstated kind."""

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
