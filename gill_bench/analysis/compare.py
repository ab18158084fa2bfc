"""Two models, or one model in two runs, sample by sample: effect, interval, p-values, and what changed most."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gill_bench.analysis.align import Matched, StoredCell, align_examples, differences_of, largest_changes
from gill_bench.analysis.comparisons import Change, Comparison, Comparisons, LeftOut
from gill_bench.errors import InputError, command, did_you_mean
from gill_bench.rundir.reader import CellKey, RunReader
from gill_bench.statistics.bootstrap import paired_interval
from gill_bench.statistics.seed_variance import seed_margin
from gill_bench.statistics.significance import bootstrap_p, effect_size, holm, is_binary, mcnemar_p, randomisation_p
from gill_bench.storage.files import folder_of


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


def compare(first: Side, second: Side, *, shown: int = 5, metrics: Sequence[str] = ()) -> Comparisons:
    """Compare everything that two sides share: task, context, metric, and the model unless each side names its own.

    Args:
        first: A run, or a model of it.
        second: Likewise.
        shown: How many changed examples are kept.
        metrics: Only these, with or without a stand-in's brackets; all, if none. Holm's adjustment is over these.

    Raises:
        InputError: A run is no run, a model is not in it, the sides share nothing, or a metric was computed in two
            ways.
    """
    return compare_stored((RunReader.open(first.run), RunReader.open(second.run)), first, second, shown, metrics)


def compare_stored(
    runs: tuple[RunReader, RunReader], first: Side, second: Side, shown: int = 5, metrics: Sequence[str] = ()
) -> Comparisons:
    """As `compare`, of runs that are open already: what they have read is not read again."""
    pairs, lone = _pairs(runs, first, second)
    known = {name for _, metric in pairs for name in (metric, metric.partition("[")[0])}
    for name in metrics:
        if name not in known:
            raise InputError(f"--metric {name}: not compared; {did_you_mean(name, known)}")
    cells: dict[tuple[int, CellKey], StoredCell] = {}
    found: list[Comparison] = []
    left_out: list[LeftOut] = []
    for places, metric in pairs:
        if not _asked(metric, metrics):
            continue
        one = _compare(runs, places, metric, shown, cells)
        if isinstance(one, Comparison):
            found.append(one)
        else:
            left_out.append(one)
    if not found:
        why = f" ({left_out[0].metric}: {left_out[0].reason})" if left_out else ""
        raise InputError(
            f"{first.run} and {second.run} share nothing that can be compared{why}; compare models of one run with:"
            f" {command('compare', f'{first.run}:MODEL', f'{second.run}:MODEL')}"
        )
    adjusted = holm([one.p for one in found])
    made = tuple(replace(one, p_holm=p) for one, p in zip(found, adjusted, strict=True))
    shown_lone = tuple((side, what) for side, what in lone if _asked(what.rpartition("/")[2], metrics))
    return Comparisons(made, tuple(left_out), shown_lone)


def _asked(metric: str, metrics: Sequence[str]) -> bool:
    """Whether a metric is among those that were asked for, with or without a stand-in's brackets."""
    return not metrics or metric in metrics or metric.partition("[")[0] in metrics


def _pairs(
    runs: tuple[RunReader, RunReader], first: Side, second: Side
) -> tuple[list[tuple[tuple[CellKey, CellKey], str]], list[tuple[str, str]]]:
    """What both have, and what one side alone has."""
    for run, side in zip(runs, (first, second), strict=True):
        models = {place[1] for place, _ in run.rows}
        if side.model and side.model not in models:
            raise InputError(f"{side.run}: has no model {side.model!r}; {did_you_mean(side.model, models)}")
    named = bool(first.model or second.model)
    found: list[tuple[tuple[CellKey, CellKey], str]] = []
    lone: list[tuple[str, str]] = []
    used = set()
    for (task, model, context), metric in runs[0].rows:
        if first.model and model != first.model:
            continue
        other = (second.model or model) if named else model
        if ((task, other, context), metric) in runs[1].rows:
            found.append((((task, model, context), (task, other, context)), metric))
            used.add(((task, other, context), metric))
        else:
            lone.append(("A", f"{task}/{model}/{context}/{metric}"))
    for place, metric in runs[1].rows:
        if (place, metric) not in used and (second.model or first.model) in ("", place[1]):
            lone.append(("B", f"{'/'.join(place)}/{metric}"))
    return found, lone


def _compare(
    runs: tuple[RunReader, RunReader],
    places: tuple[CellKey, CellKey],
    metric: str,
    shown: int,
    cells: dict[tuple[int, CellKey], StoredCell],
) -> Comparison | LeftOut:
    task, model, context = places[0]
    models = (model, places[1][1])

    def left_out(reason: str) -> LeftOut:
        means = (_row_mean(runs[0], places[0], metric), _row_mean(runs[1], places[1], metric))
        return LeftOut(task, context, models, metric, means, reason)

    one, other = runs[0].values(places[0], metric), runs[1].values(places[1], metric)
    if one is None or other is None:
        lacking = [name for name, found in zip("AB", (one, other), strict=True) if found is None]
        return left_out(f"no values of single examples in {' and '.join(lacking)}")
    for side, (run, place) in enumerate(zip(runs, places, strict=True)):
        if (side, place) not in cells:
            cells[side, place] = StoredCell(run, place)
    sides = cells[0, places[0]], cells[1, places[1]]
    matched = align_examples(sides, (one, other), metric)
    if not matched.examples:
        return left_out("the sides have no example in common")
    groups = _codes([sides[0].clusters.get(name, name) for name in matched.examples])
    if not groups.any():
        return left_out("all examples are of one cluster, which tells nothing about others")
    means = matched.first.mean(axis=1), matched.second.mean(axis=1)
    differences = differences_of(matched)
    mcnemar, why_not = _mcnemar(matched, groups)
    gains = differences if one.higher_is_better else -differences
    return Comparison(
        task=task,
        context=context,
        models=models,
        metric=metric,
        higher_is_better=one.higher_is_better,
        means=(math.fsum(means[0]) / len(groups), math.fsum(means[1]) / len(groups)),
        difference=paired_interval(differences, groups, seed_margin=_seed_margin(matched, groups)),
        p=randomisation_p(differences, groups),
        p_holm=1.0,
        p_bootstrap=bootstrap_p(differences, groups),
        p_mcnemar=mcnemar,
        effect_size=effect_size(differences, groups),
        wins=int((gains > 0).sum()),
        losses=int((gains < 0).sum()),
        ties=int((gains == 0).sum()),
        seeds=matched.seeds[0],
        changes=tuple(_changes(matched, sides, shown)),
        only_first=matched.only_first,
        only_second=matched.only_second,
        incomplete=matched.incomplete,
        notes=(*matched.notes, *why_not),
    )


def _codes(names: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _seed_margin(matched: Matched, groups: np.ndarray[tuple[int], np.dtype[np.int64]]) -> float:
    if matched.paired_seeds:
        return seed_margin(matched.second - matched.first, groups)
    return math.hypot(seed_margin(matched.first, groups), seed_margin(matched.second, groups))


def _mcnemar(
    matched: Matched, groups: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> tuple[float | None, tuple[str, ...]]:
    """The p-value, or why there is none although answers are right or wrong."""
    if not is_binary(matched.first) or not is_binary(matched.second):
        return None, ()
    if matched.first.shape[1] > 1 or matched.second.shape[1] > 1:
        return None, ("no McNemar test: answers of several seeds to one question are not independent",)
    if int(groups.max()) + 1 < len(groups):
        return None, ("no McNemar test: examples of one cluster are not independent; p is over clusters",)
    first, second = matched.first[:, 0], matched.second[:, 0]
    return mcnemar_p(int((first > second).sum()), int((second > first).sum())), ()


def _changes(matched: Matched, sides: tuple[StoredCell, StoredCell], shown: int) -> Iterator[Change]:
    for place in largest_changes(matched, shown):
        name = matched.examples[place]
        first, second = matched.first[place], matched.second[place]
        at = int(np.argmax(np.abs(second - first))) if matched.paired_seeds else 0
        seeds = matched.seeds[0][at], matched.seeds[1][at]
        files = [_file(side, name, seed) for side, seed in zip(sides, seeds, strict=True)]
        yield Change(name, float(first.mean()), float(second.mean()), seeds[0], (files[0], files[1]))


def _file(side: StoredCell, example: str, seed: int) -> str:
    """Of an output; a metric with a seed of its own (a classifier's) has outputs of no seed but the first."""
    return side.files.get((example, seed)) or side.files.get((example, 0), "")


def _row_mean(run: RunReader, place: CellKey, metric: str) -> float | None:
    values = [row.value for row in run.rows[place, metric] if row.value is not None]
    return math.fsum(values) / len(values) if values else None
