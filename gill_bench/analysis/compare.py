"""Comparing two models, or two runs of one model, example by example: effect, interval, p-values, largest changes.

The p-values, effect sizes and intervals themselves are computed by `gill_bench.statistics.significance` and
`gill_bench.statistics.bootstrap`; docs/comparing.md explains them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gill_bench.analysis.align import AlignedValues, ComparedCell, align_examples, differences_of, largest_changes
from gill_bench.analysis.side import Side
from gill_bench.errors import InputError, command, did_you_mean
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.statistics.bootstrap import Interval, paired_interval
from gill_bench.statistics.seed_variance import seed_margin
from gill_bench.statistics.significance import bootstrap_p, effect_size, holm, is_binary, mcnemar_p, randomisation_p

LEVEL = 0.05

ClusterNumbers = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Change:
    """The values of one example on both sides, and the files in which to look at its outputs.

    Attributes:
        example: Id of the example.
        first: Mean of the first side's values over the compared seeds.
        second: Mean of the second side's values over the compared seeds.
        seed: The seed with which the two sides differ most.
        files: With this seed, the picture of the first and of the second side; for other outputs than pictures, the
            folder of the unit that holds the output.
    """

    example: str
    first: float
    second: float
    seed: int
    files: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models compared in one metric, task and context.

    Attributes:
        task: Name of the task's card.
        context: Name of the context.
        models: The model of the first side and the model of the second side.
        metric: The metric's name as in the rows of results.json.
        higher_is_better: Whether a higher value of the metric is the better one.
        means: Mean values of the first and of the second side, over the examples that both sides have.
        difference: Second side minus first side over these examples, with its 95 % interval.
        p: p-value of the difference, by approximate randomisation over clusters.
        p_holm: `p` adjusted for the number of comparisons made (Holm).
        p_bootstrap: p-value by paired bootstrap over clusters, as sacrebleu counts it; not adjusted.
        p_mcnemar: McNemar's p-value for right-or-wrong values of independent examples; None for other values.
        effect_size: Cohen's d_z over clusters; None where d_z is not bounded.
        wins: Number of examples in which the second side is better.
        losses: Number of examples in which the second side is worse.
        ties: Number of examples in which both sides have the same value.
        seeds: The compared seeds; if the sides share no seed, the seeds of the first side.
        changes: The examples that changed most, largest change first.
        only_first: Examples that only the first side has a value for.
        only_second: Examples that only the second side has a value for.
        incomplete: Examples that are not compared because one side lacks some of their seeds.
        notes: Sentences that say which values are not compared, and why.
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
    p_bootstrap: float
    p_mcnemar: float | None
    effect_size: float | None
    wins: int
    losses: int
    ties: int
    seeds: tuple[int, ...]
    changes: tuple[Change, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    incomplete: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def better(self) -> bool | None:
        """Whether the second side is better; None if the interval touches zero or `p` is above 0.05."""
        if self.difference.low <= 0 <= self.difference.high or self.p > LEVEL:
            return None
        return (self.difference.low > 0) == self.higher_is_better


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A metric that both sides have and that could not be compared.

    Attributes:
        task: Name of the task's card.
        context: Name of the context.
        models: The model of the first side and the model of the second side.
        metric: The metric's name as in the rows of results.json.
        means: Mean over seeds of each side's rows; None for a side whose rows have no value.
        reason: Why the metric was not compared.
    """

    task: str
    context: str
    models: tuple[str, str]
    metric: str
    means: tuple[float | None, float | None]
    reason: str


@dataclass(frozen=True)
class Comparisons:
    """All comparisons of two sides; iterating yields each `Comparison`.

    Attributes:
        made: The comparisons, in the order of the first side's rows.
        left_out: The metrics that could not be compared.
        unmatched: Rows that only one side has, each as ("A" or "B", "task/model/context/metric").
    """

    made: tuple[Comparison, ...]
    left_out: tuple[LeftOut, ...]
    unmatched: tuple[tuple[str, str], ...]

    def __iter__(self) -> Iterator[Comparison]:
        return iter(self.made)

    def __len__(self) -> int:
        return len(self.made)


def compare(first: Side, second: Side, *, shown: int = 5, metrics: Sequence[str] = ()) -> Comparisons:
    """Compare two sides in every task, context and metric that both have.

    Models are compared with the model of the same name, unless the sides name models.

    Args:
        first: The first side, from which differences are subtracted.
        second: The second side.
        shown: How many changed examples each comparison lists.
        metrics: Names of the metrics to compare, with or without the brackets of a stand-in; () compares all metrics.
            Holm's adjustment counts the compared metrics.

    Raises:
        InputError: A run cannot be read, a model is not in its run, the sides share no metric that can be compared, or
            a metric was computed in two ways.
    """
    (left, first), (right, second) = first.open(), second.open()
    return compare_stored((left, right), first, second, shown, metrics)


def compare_stored(
    runs: tuple[RunReader, RunReader], first: Side, second: Side, shown: int = 5, metrics: Sequence[str] = ()
) -> Comparisons:
    """Do the same as `compare` with readers that are open already, so that no file is read twice."""
    pairs, unmatched = _pair_rows(runs, first, second)
    comparable = {name for _, metric in pairs for name in (metric, metric.partition("[")[0])}
    for name in metrics:
        if name not in comparable:
            raise InputError(f"--metric {name}: not compared; {did_you_mean(name, comparable)}")
    cells: dict[tuple[int, CellKey], ComparedCell] = {}
    comparisons: list[Comparison] = []
    left_out: list[LeftOut] = []
    for keys, metric in pairs:
        if not _is_wanted(metric, metrics):
            continue
        outcome = compare_cells(runs, keys, metric, shown, cells)
        if isinstance(outcome, Comparison):
            comparisons.append(outcome)
        else:
            left_out.append(outcome)
    if not comparisons:
        why = f" ({left_out[0].metric}: {left_out[0].reason})" if left_out else ""
        raise InputError(
            f"{first.run} and {second.run} share nothing that can be compared{why}; compare models of one run with:"
            f" {command('compare', f'{first.run}:MODEL', f'{second.run}:MODEL')}"
        )
    adjusted = holm([comparison.p for comparison in comparisons])
    return Comparisons(
        tuple(replace(comparison, p_holm=p) for comparison, p in zip(comparisons, adjusted, strict=True)),
        tuple(left_out),
        tuple((side, name) for side, name in unmatched if _is_wanted(name.rpartition("/")[2], metrics)),
    )


def _is_wanted(metric: str, metrics: Sequence[str]) -> bool:
    return not metrics or metric in metrics or metric.partition("[")[0] in metrics


def _pair_rows(
    runs: tuple[RunReader, RunReader], first: Side, second: Side
) -> tuple[list[tuple[tuple[CellKey, CellKey], str]], list[tuple[str, str]]]:
    """Pairs of cells with a metric that both have; and the names of cells and metrics that only A or only B has."""
    for run, side in zip(runs, (first, second), strict=True):
        models = {key[1] for key, _ in run.rows}
        if side.model and side.model not in models:
            raise InputError(f"{side.run}: has no model {side.model!r}; {did_you_mean(side.model, models)}")
    sides_name_models = bool(first.model or second.model)
    pairs: list[tuple[tuple[CellKey, CellKey], str]] = []
    unmatched: list[tuple[str, str]] = []
    paired_of_second = set()
    for (task, model, context), metric in runs[0].rows:
        if first.model and model != first.model:
            continue
        opponent = (second.model or model) if sides_name_models else model
        if ((task, opponent, context), metric) in runs[1].rows:
            pairs.append(((CellKey(task, model, context), CellKey(task, opponent, context)), metric))
            paired_of_second.add(((task, opponent, context), metric))
        else:
            unmatched.append(("A", f"{task}/{model}/{context}/{metric}"))
    for key, metric in runs[1].rows:
        if (key, metric) not in paired_of_second and (second.model or first.model) in ("", key[1]):
            unmatched.append(("B", f"{'/'.join(key)}/{metric}"))
    return pairs, unmatched


def compare_cells(
    runs: tuple[RunReader, RunReader],
    keys: tuple[CellKey, CellKey],
    metric: str,
    shown: int,
    cells: dict[tuple[int, CellKey], ComparedCell],
) -> Comparison | LeftOut:
    """Compare two cells in one metric; they may be of two models, or of two contexts of one.

    Args:
        runs: The runs that hold the first and the second cell.
        keys: The keys of the two cells.
        metric: The metric's name as in the rows of results.json.
        shown: How many changed examples are listed.
        cells: The cells that were read for other metrics; those of this one are added.
    """
    task, model, context = keys[0]
    models = (model, keys[1][1])

    def left_out(reason: str) -> LeftOut:
        means = (_mean_of_rows(runs[0], keys[0], metric), _mean_of_rows(runs[1], keys[1], metric))
        return LeftOut(task, context, models, metric, means, reason)

    first, second = runs[0].values(keys[0], metric), runs[1].values(keys[1], metric)
    if first is None or second is None:
        lacking = [name for name, values in zip("AB", (first, second), strict=True) if values is None]
        return left_out(f"no values of single examples in {' and '.join(lacking)}")
    for number, (run, key) in enumerate(zip(runs, keys, strict=True)):
        if (number, key) not in cells:
            cells[number, key] = ComparedCell(run, key)
    sides = cells[0, keys[0]], cells[1, keys[1]]
    aligned = align_examples(sides, (first, second), metric)
    if not aligned.examples:
        return left_out("the sides have no example in common")
    clusters = _cluster_numbers([sides[0].clusters.get(name, name) for name in aligned.examples])
    if not clusters.any():
        return left_out("all examples are of one cluster, which tells nothing about others")
    means = aligned.first.mean(axis=1), aligned.second.mean(axis=1)
    differences = differences_of(aligned)
    mcnemar, why_no_mcnemar = _mcnemar(aligned, clusters)
    gains = differences if first.higher_is_better else -differences
    return Comparison(
        task=task,
        context=context,
        models=models,
        metric=metric,
        higher_is_better=first.higher_is_better,
        means=(math.fsum(means[0]) / len(clusters), math.fsum(means[1]) / len(clusters)),
        difference=paired_interval(differences, clusters, seed_margin=_seed_margin(aligned, clusters)),
        p=randomisation_p(differences, clusters),
        p_holm=1.0,
        p_bootstrap=bootstrap_p(differences, clusters),
        p_mcnemar=mcnemar,
        effect_size=effect_size(differences, clusters),
        wins=int((gains > 0).sum()),
        losses=int((gains < 0).sum()),
        ties=int((gains == 0).sum()),
        seeds=aligned.seeds[0],
        changes=tuple(_changes(aligned, sides, shown)),
        only_first=aligned.only_first,
        only_second=aligned.only_second,
        incomplete=aligned.incomplete,
        notes=(*aligned.notes, *why_no_mcnemar),
    )


def _cluster_numbers(names: Sequence[str]) -> ClusterNumbers:
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _seed_margin(aligned: AlignedValues, clusters: ClusterNumbers) -> float:
    if aligned.paired_seeds:
        return seed_margin(aligned.second - aligned.first, clusters)
    return math.hypot(seed_margin(aligned.first, clusters), seed_margin(aligned.second, clusters))


def _mcnemar(aligned: AlignedValues, clusters: ClusterNumbers) -> tuple[float | None, tuple[str, ...]]:
    """McNemar's p-value; for right-or-wrong values without one, a note that says why the test does not apply."""
    if not is_binary(aligned.first) or not is_binary(aligned.second):
        return None, ()
    if aligned.first.shape[1] > 1 or aligned.second.shape[1] > 1:
        return None, ("no McNemar test: answers of several seeds to one question are not independent",)
    if int(clusters.max()) + 1 < len(clusters):
        return None, ("no McNemar test: examples of one cluster are not independent; p is over clusters",)
    first, second = aligned.first[:, 0], aligned.second[:, 0]
    return mcnemar_p(int((first > second).sum()), int((second > first).sum())), ()


def _changes(aligned: AlignedValues, sides: tuple[ComparedCell, ComparedCell], shown: int) -> Iterator[Change]:
    for row in largest_changes(aligned, shown):
        example = aligned.examples[row]
        first, second = aligned.first[row], aligned.second[row]
        column = int(np.argmax(np.abs(second - first))) if aligned.paired_seeds else 0
        seeds = aligned.seeds[0][column], aligned.seeds[1][column]
        files = [_output_file(side, example, seed) for side, seed in zip(sides, seeds, strict=True)]
        yield Change(example, float(first.mean()), float(second.mean()), seeds[0], (files[0], files[1]))


def _output_file(side: ComparedCell, example: str, seed: int) -> str:
    # A metric with seeds of its own, such as a trained classifier, has outputs of the first seed only.
    return side.files.get((example, seed)) or side.files.get((example, 0), "")


def _mean_of_rows(run: RunReader, key: CellKey, metric: str) -> float | None:
    values = [row.value for row in run.rows[key, metric] if row.value is not None]
    return math.fsum(values) / len(values) if values else None


def gain_in_run(run: RunReader, better: CellKey, than: CellKey, metric: str) -> Interval:
    """How much better one cell of a run is than another: the paired difference in the metric's good direction.

    Args:
        run: The run that holds both cells.
        better: The cell that is expected to be better.
        than: The cell that `better` is compared with, of the same task.
        metric: Name of the metric, without the brackets of a stand-in.

    Returns:
        Mean and interval of the difference over the examples that both cells have, each averaged over its seeds.

    Raises:
        InputError: A cell is not in the run, the metric has no values of single examples, or all shared examples are of
            one cluster.
    """
    means, signs = [], []
    for key in (better, than):
        names = {name.partition("[")[0]: name for row_key, name in run.rows if row_key == key}
        if not names:
            cells = {"/".join(row_key[1:]) for row_key, _ in run.rows}
            raise InputError(f"{run.folder}: has no {'/'.join(key[1:])}; {did_you_mean('/'.join(key[1:]), cells)}")
        values = run.values(key, names[metric]) if metric in names else None
        if values is None:
            usable = [name for name in names if run.values(key, names[name]) is not None]
            raise InputError(f"{key[0]} has no metric {metric!r} of single examples; {did_you_mean(metric, usable)}")
        means.append(values.means())
        signs.append(1.0 if values.higher_is_better else -1.0)
    shared = [name for name in means[0] if name in means[1]]
    clusters = [run.clusters(better).get(name, name) for name in shared]
    if len(set(clusters)) < 2:
        raise InputError(
            f"{run.folder}: {'/'.join(better[1:])} and {'/'.join(than[1:])} share {len(shared)} scored examples of"
            f" {len(set(clusters))} cluster(s), and an interval needs two; make more with a higher --limit"
        )
    return paired_interval([signs[0] * (means[0][name] - means[1][name]) for name in shared], clusters)
