"""Records of what a page shows besides the tables of a run: galleries, tests of models, provenance.

`gill_bench.analysis.galleries` makes the records, `gill_bench.reporting.page` draws them. This module reads no file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gill_bench.rundir.records import Session, Spec
from gill_bench.statistics.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture of the data.

    Attributes:
        id: The picture's id in the data set.
        file: The picture's file; None where the file was not found.
    """

    id: str
    file: Path | None


@dataclass(frozen=True, slots=True)
class ShownOutput:
    """One output of a model, for one example and seed.

    Attributes:
        seed: The output's seed.
        picture: File of a generated picture; None for other outputs.
        text: The text that a model wrote, or other stored values in words; None for a picture alone.
        marks: Words that a reader must know with the output, such as "truncated".
        sha256: SHA-256 of the picture as it was made; a file with other content is not shown.
    """

    seed: int
    picture: Path | None
    text: str | None = None
    marks: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """Seeds with which an example has no output, and the reason.

    Attributes:
        outcome: "failed", "refused", "not made yet", or "missing" if the data lacks a file or a field.
        seeds: The seeds without output; () stands for all seeds.
        reason: The reason in words, with the file and line of the model's own code; "" if nobody has tried yet.
    """

    outcome: str
    seeds: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GalleryExample:
    """One example in one context, with the outputs of all models.

    Attributes:
        example: The example's id.
        cluster: Name of the cluster to which the example belongs.
        prompt: Texts and pictures that the models were given, in reading order.
        target: The picture that outputs are compared with; None if the task has none.
        answers: Texts that outputs are compared with.
        facts: Properties of the example by which metrics group examples, by name.
        outputs: Outputs by model, in the order of their seeds.
        lost: By model, the seeds that have no output.
    """

    example: str
    cluster: str
    prompt: tuple[str | PictureFile, ...]
    target: PictureFile | None
    answers: tuple[str, ...]
    facts: Mapping[str, str]
    outputs: Mapping[str, tuple[ShownOutput, ...]]
    lost: Mapping[str, tuple[Lost, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExampleScores:
    """Values of single examples in one metric.

    Attributes:
        metric: The metric's name as in the rows of results.json.
        higher_is_better: Whether a higher value is the better one.
        by_model: Value by model, seed and example.
    """

    metric: str
    higher_is_better: bool
    by_model: Mapping[str, Mapping[int, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Gallery:
    """One context of a task with all outputs that models made in it.

    Attributes:
        task: Name of the task's card.
        title: Title of the task's card.
        context: Canonical name of the context.
        models: Names of the models, in the order of the rows.
        examples: The examples, in the order of the data.
        scores: Values of single examples, one record for each metric.
        note: A sentence about data that was not found; "" if nothing is missing.
    """

    task: str
    title: str
    context: str
    models: tuple[str, ...]
    examples: Sequence[GalleryExample]
    scores: Sequence[ExampleScores]
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelTest:
    """The paired test of two models in one metric and context.

    Attributes:
        task: Name of the task's card.
        context: Canonical name of the context.
        metric: The metric's name as in the rows of results.json.
        models: Names of the first and the second model.
        difference: Second model minus first model, with its 95 % interval.
        p: p-value of the difference, by approximate randomisation over clusters.
        p_holm: `p` adjusted for the number of tests of the task (Holm).
        better: Whether the second model is better (True), worse (False), or neither (None).
    """

    task: str
    context: str
    metric: str
    models: tuple[str, str]
    difference: Interval
    p: float
    p_holm: float
    better: bool | None


@dataclass(frozen=True, slots=True)
class RunRecord:
    """Provenance of a run's numbers.

    Attributes:
        name: Name of the run's folder.
        spec: Content of spec.json.
        sessions: Sessions of env.json; empty if the file is absent.
        missing: (task, example, reason) of each example whose data is missing.
        failed: (task, model, context, example, reason, record) of each example on which a model failed or refused.
    """

    name: str
    spec: Spec
    sessions: Sequence[Session] = ()
    missing: Sequence[tuple[str, str, str]] = field(default=())
    failed: Sequence[tuple[str, str, str, str, str, str]] = field(default=())
