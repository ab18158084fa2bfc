"""What a page shows of a run besides its tables: galleries, tests, provenance. Plain values, read from nothing here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gill_bench.statistics.bootstrap import Interval


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A picture of the data by its id; `file` is None where it is not at hand."""

    id: str
    file: Path | None


@dataclass(frozen=True, slots=True)
class ShownOutput:
    """What a model made of an example with one seed.

    Attributes:
        seed: The seed.
        picture: The file of a generated picture, or None.
        text: What a text model wrote, or other stored values in words; None if there are none.
        marks: What must be known to read it, such as "truncated".
        sha256: Of the picture as it was made; a file with another content is not shown.
    """

    seed: int
    picture: Path | None
    text: str | None = None
    marks: tuple[str, ...] = ()
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """Why an example has no output with some seeds.

    Attributes:
        outcome: "failed", "refused", "not made yet", or "missing" where the data lacks something.
        seeds: The seeds; () for all.
        reason: In words, with the place in the model's own code; "" if nobody asked yet.
    """

    outcome: str
    seeds: tuple[int, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class GalleryExample:
    """One example in one context.

    Attributes:
        example: Its id.
        cluster: Of examples that are not independent of it.
        prompt: The texts and pictures that the models were given, in order.
        target: The picture that generated ones are compared with, or None.
        answers: Reference texts.
        facts: What metrics group by.
        outputs: By model, by seed.
        lost: By model what has no output.
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
        metric: As in the rows.
        higher_is_better: Which way it points.
        by_model: Value by model, seed and example.
    """

    metric: str
    higher_is_better: bool
    by_model: Mapping[str, Mapping[int, Mapping[str, float]]]


@dataclass(frozen=True, slots=True)
class Gallery:
    """One context of a task with everything that models made in it.

    Attributes:
        task: Name of its card.
        title: Of its card.
        context: Canonical name.
        models: Names, in order.
        examples: In the order of the data.
        scores: A metric each.
        note: What is missing of the data, or "".
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
    """Two models in one metric and context, example by example.

    Attributes:
        models: First and second.
        difference: Second minus first, with its 95 % interval.
        p: Approximate randomisation over clusters.
        p_holm: Adjusted for all tests of the task.
        better: Whether the second is better (True), worse (False), or neither (None) by the interval.
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
    """Where numbers come from.

    Attributes:
        name: Of the run's folder.
        spec: The content of spec.json.
        sessions: Those of env.json; none if it is not there.
        missing: (task, example, reason) of what could not be asked.
        failed: (task, model, context, example, reason, record) of what a model failed on or refused.
    """

    name: str
    spec: Mapping[str, Any]
    sessions: Sequence[Mapping[str, Any]] = ()
    missing: Sequence[tuple[str, str, str]] = field(default=())
    failed: Sequence[tuple[str, str, str, str, str, str]] = field(default=())
