"""The stored values of metrics that compare pictures one by one, and their means."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gill_bench.datasets import Example
from gill_bench.interfaces import Score
from gill_bench.planning.cells import Cell
from gill_bench.planning.metrics import ResolvedMetric
from gill_bench.planning.settings import LAYOUT
from gill_bench.progress import say
from gill_bench.rundir.load import read_picture_scores
from gill_bench.rundir.records import PictureScores
from gill_bench.scoring.stored import StoredCell, StoredUnit
from gill_bench.storage.sealed import DamagedFileError

TRIVIAL = "the picture of another example"


def mean_scores(stored: StoredCell, metric: ResolvedMetric) -> Iterator[tuple[int, Score]]:
    """The mean over a cell's pictures for each seed."""
    values = _values_by_seed(stored, metric)
    usable = [example for example, _, _ in stored.cell.usable.values()]
    for seed in stored.cell.seeds:
        of_seed = values.pop(seed, None) or _SeedValues()
        scored = {example.id: of_seed.values[example.id] for example in usable if example.id in of_seed.values}
        others = {name: of_seed.others[name] for name in scored if name in of_seed.others}
        yield (
            seed,
            Score(
                metric.name,
                _mean(stored.cell, usable, scored, metric),
                metric.pairs.higher_is_better,
                len(scored),
                each=scored,
                truncated=of_seed.truncated,
                flagged=of_seed.flagged,
                trivial=math.fsum(others.values()) / len(others) if others else None,
                trivial_answer=TRIVIAL if others else "",
            ),
        )


def read_values(unit: StoredUnit, metric: ResolvedMetric) -> dict[tuple[str, int], float] | None:
    """The values of a unit's pictures by (example, seed).

    Returns:
        None if a picture that counts has no value, if the unit's outputs were made again since they were scored, or if
        a target picture is no longer the same.
    """
    scores = _read_scores(unit, metric)
    return None if scores is None else {(name, seed): value for name, seed, value in scores.values}


def _read_scores(unit: StoredUnit, metric: ResolvedMetric) -> PictureScores | None:
    """The stored scores of a unit's pictures; None where `read_values` has none."""
    try:
        scores = read_picture_scores(unit.folder / metric.file_name, "scored again")
    except FileNotFoundError:
        return None
    except DamagedFileError as error:
        say(f"warning: {error}")
        return None
    if scores.content != unit.content:  # a file of an older version does not say of which outputs it is
        return None
    values = {(name, seed) for name, seed, _ in scores.values}
    for name, _ in unit.unit.examples:
        if scores.references.get(name) != target_digest(unit.cell, unit.cell.usable[name][0]):
            return None
        if any((name, seed) not in values for seed in unit.unit.seeds):
            return None
    return scores


def target_digest(cell: Cell, example: Example) -> str:
    """The digest of the content of an example's target picture; "" if it has none."""
    return cell.task.checked[example.target.id].sha256 if example.target else ""


@dataclass(slots=True)
class _SeedValues:
    """The values of one seed's pictures and of other examples' targets, and how many were truncated or flagged."""

    values: dict[str, float] = field(default_factory=dict)
    truncated: int = 0
    flagged: int = 0
    others: dict[str, float] = field(default_factory=dict)


def _values_by_seed(stored: StoredCell, metric: ResolvedMetric) -> dict[int, _SeedValues]:
    """The values by seed. Keys are the ids of the plan: ids that are read again for each sample would fill memory."""
    by_seed: dict[int, _SeedValues] = {}
    for unit in stored.units:
        scores = _read_scores(unit, metric)
        if scores is None:
            continue
        values = {(name, seed): value for name, seed, value in scores.values}
        ids = {name: name for name, _ in unit.unit.examples}
        for sample in unit.samples():
            of_seed = by_seed.setdefault(sample.seed, _SeedValues())
            if sample.key in values and sample.example not in of_seed.values:
                of_seed.values[ids[sample.example]] = values[sample.key]
                of_seed.truncated += sample.truncated
                of_seed.flagged += sample.flagged
                if sample.example in scores.others:
                    of_seed.others[ids[sample.example]] = scores.others[sample.example]
    return by_seed


def _mean(cell: Cell, usable: Sequence[Example], scored: Mapping[str, float], metric: ResolvedMetric) -> float | None:
    if not scored:
        return None
    if LAYOUT.of(cell.task.card.scoring) == "story":
        return math.fsum(scored.values()) / len(scored)
    # The authors name outputs by target picture: of the stories that share one, the last overwrites the others.
    last = {example.target: scored[example.id] for example in usable if example.id in scored}
    if getattr(metric.pairs, "averaged_per_target", False):
        return math.fsum(last.values()) / len(last)
    return math.fsum(last[example.target] for example in usable if example.id in scored) / len(scored)
