"""Two models, or one model in two runs, sample by sample: effect, interval, p-values, and what changed most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gill_bench.errors import InputError, did_you_mean
from gill_bench.files import folder_of
from gill_bench.runs.stored import Place, StoredRun
from gill_bench.significance import holm, is_binary, mcnemar_p, randomisation_p
from gill_bench.statistics import Interval, paired_interval


@dataclass(frozen=True, slots=True)
class Side:
    """A run, or one model of it, as named on the command line: `RUN` or `RUN:MODEL`."""

    run: Path
    model: str = ""

    @classmethod
    def parse(cls, text: str) -> Side:
        """Parse `RUN` or `RUN:MODEL`; a folder whose name has a colon is meant as it is."""
        folder, colon, model = text.rpartition(":")
        named = colon and not model.startswith("/") and not folder_of(text).is_dir()
        return cls(folder_of(folder), model) if named else cls(folder_of(text))


@dataclass(frozen=True, slots=True)
class Change:
    """One example's two values."""

    example: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one task and context.

    Attributes:
        models: First and second.
        metric: As in the rows.
        means: Of the examples that both have.
        difference: Second minus first over these examples, with its 95 % interval.
        better: Whether the second is better (True), worse (False), or neither (None) by its interval.
        p: Approximate randomisation over clusters.
        p_holm: The same, adjusted for all comparisons of the table.
        p_mcnemar: For right-or-wrong values of independent examples, else None.
        changes: Examples that changed most, largest first.
        only_first: Examples that the second does not have.
        only_second: Examples that the first does not have.
    """

    task: str
    context: str
    models: tuple[str, str]
    metric: str
    higher_is_better: bool
    means: tuple[float, float]
    difference: Interval
    p: float
    p_holm: float
    p_mcnemar: float | None
    changes: tuple[Change, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]

    @property
    def better(self) -> bool | None:
        """Whether the whole interval is on one side of zero, and on which."""
        if self.difference.low <= 0 <= self.difference.high:
            return None
        return (self.difference.low > 0) == self.higher_is_better


def compare(first: Side, second: Side, *, shown: int = 5) -> list[Comparison]:
    """Compare everything that two sides share: task, context, metric, and the model unless each side names its own.

    Args:
        first: A run, or a model of it.
        second: Likewise.
        shown: How many changed examples are kept.

    Raises:
        InputError: A run is no run, a model is not in it, the sides share nothing, or a metric was computed in two
            ways.
    """
    runs = StoredRun.open(first.run), StoredRun.open(second.run)
    pairs = list(_pairs(runs, first, second))
    found = []
    for places, metric in pairs:
        one = _compare(runs, places, metric, shown)
        if one is not None:
            found.append(one)
    if not found:
        raise InputError(
            f"{first.run} and {second.run} share no metric of single examples; compare models of one run as"
            f" {first.run}:MODEL {second.run}:MODEL"
        )
    return [replace(one, p_holm=p) for one, p in zip(found, holm([one.p for one in found]), strict=True)]


def _pairs(runs: tuple[StoredRun, StoredRun], first: Side, second: Side) -> Sequence[tuple[tuple[Place, Place], str]]:
    for run, side in zip(runs, (first, second), strict=True):
        models = {place[1] for place, _ in run.rows}
        if side.model and side.model not in models:
            raise InputError(f"{side.run}: has no model {side.model!r}; {did_you_mean(side.model, models)}")
    named = bool(first.model or second.model)
    found = []
    for (task, model, context), metric in runs[0].rows:
        if first.model and model != first.model:
            continue
        other = (second.model or model) if named else model
        if ((task, other, context), metric) in runs[1].rows:
            found.append((((task, model, context), (task, other, context)), metric))
    return found


def _compare(
    runs: tuple[StoredRun, StoredRun], places: tuple[Place, Place], metric: str, shown: int
) -> Comparison | None:
    values = [run.values(place, metric) for run, place in zip(runs, places, strict=True)]
    one, other = values
    if one is None or other is None:
        return None
    if one.signature != other.signature:
        raise InputError(
            f"{'/'.join(places[0])} and {'/'.join(places[1])}, {metric}: computed in two ways, so that no difference"
            f" means anything: {_difference(one.signature, other.signature)}"
        )
    first, second = one.means(), other.means()
    common = [name for name in first if name in second]
    if not common:
        raise InputError(f"{'/'.join(places[0])}, {metric}: the two sides have no example in common")
    clusters = runs[0].clusters(places[0])
    groups = [clusters.get(name, name) for name in common]
    if len(set(groups)) < 2:
        return None
    differences = [second[name] - first[name] for name in common]
    binary = is_binary(np.array([*(first[name] for name in common), *(second[name] for name in common)]))
    independent = len(set(groups)) == len(groups)
    order = sorted(common, key=lambda name: -abs(second[name] - first[name]))
    return Comparison(
        task=places[0][0],
        context=places[0][2],
        models=(places[0][1], places[1][1]),
        metric=metric,
        higher_is_better=one.higher_is_better,
        means=(sum(first[name] for name in common) / len(common), sum(second[name] for name in common) / len(common)),
        difference=paired_interval(differences, groups),
        p=randomisation_p(differences, groups),
        p_holm=1.0,
        p_mcnemar=mcnemar_p(differences.count(-1.0), differences.count(1.0)) if binary and independent else None,
        changes=tuple(Change(name, first[name], second[name]) for name in order[:shown] if first[name] != second[name]),
        only_first=tuple(name for name in first if name not in second),
        only_second=tuple(name for name in second if name not in first),
    )


def _difference(first: str, second: str) -> str:
    left, right = (text.split("|") for text in (first, second))
    return (
        "; ".join(f"{a} and {b}" for a, b in zip(left, right, strict=False) if a != b)[:300] or "their lengths differ"
    )
