"""All runs of a folder in rankings: one for each task, context and metric, with ties where tests show no difference.

Numbers are ranked together if their signatures are the same: the same task, split, examples and recipe of the metric.
A rank is one more than the number of models that are better, as far as paired tests show: the cluster bootstrap's
interval excludes zero, and p by approximate randomisation is at most 0.05 after Holm's adjustment over all pairs of the
ranking. Models between which nothing stands out may share a rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from gill_bench.analysis.compare import LEVEL, Comparison, LeftOut, compare_cells
from gill_bench.analysis.intervals import StoredIntervals
from gill_bench.analysis.named import named_runs
from gill_bench.cards.find import Cards
from gill_bench.errors import GillBenchError, InputError, did_you_mean, first_line
from gill_bench.rundir.folders import runs_below
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.rundir.rows import Counts, Row
from gill_bench.rundir.signatures import describe_differences
from gill_bench.statistics.bootstrap import Interval
from gill_bench.statistics.mean_interval import MeanInterval
from gill_bench.statistics.significance import holm


@dataclass(frozen=True, slots=True)
class Entry:
    """A model in a ranking.

    Attributes:
        rank: One more than the number of models that are better, as far as tests show.
        model: The name of the model; with what differs, where several runs ran it in different ways.
        title: What the model is called: the title of its card, or its name.
        run: The run directory.
        value: Mean over the seeds.
        interval: The 95 % interval of the mean; None if it is unknown.
        seeds: The seeds in the mean.
        n: The number of examples in the mean, the least of the seeds.
        behind: Difference to the model with the best mean, with its 95 % interval; None for that model, and where the
            two cannot be tested.
        p: The p-value of that difference, adjusted over all pairs of the ranking (Holm); None as `behind`.
        gaps: Sentences about samples that the mean lacks.
    """

    rank: int
    model: str
    title: str
    run: Path
    value: float
    interval: MeanInterval | None
    seeds: tuple[int, ...]
    n: int
    behind: Interval | None
    p: float | None
    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranking:
    """A ranking of models by one number.

    Attributes:
        task: Name of the task card.
        context: Canonical name of the context.
        metric: The metric's name as in the rows of results.json.
        higher_is_better: Whether a higher value is better.
        signature: The signature that all numbers have.
        entries: The models, best rank first.
        untested: Sentences about pairs that could not be tested, and share a rank for that reason.
    """

    task: str
    context: str
    metric: str
    higher_is_better: bool
    signature: str
    entries: tuple[Entry, ...]
    untested: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Such as `vist 5-captions, clip-similarity`."""
        return f"{self.task} {self.context}, {self.metric}"


@dataclass(frozen=True, slots=True)
class NotRanked:
    """A run, or a number of a run, that is in no ranking.

    Attributes:
        run: The run directory.
        what: The number, such as `vist/gill/1-caption lpips`; "" for the whole run.
        reason: Why it is not ranked.
    """

    run: Path
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The rankings of all runs of a folder.

    Attributes:
        folder: The folder.
        rankings: The rankings, by task, context and metric.
        not_ranked: The runs and numbers that are in none.
    """

    folder: Path
    rankings: tuple[Ranking, ...]
    not_ranked: tuple[NotRanked, ...]


@dataclass(frozen=True, slots=True)
class _Number:
    """The rows of one cell and metric, one per seed, and the run that they are of."""

    reader: RunReader
    key: CellKey
    metric: str
    rows: tuple[Row, ...]

    @property
    def value(self) -> float:
        values = [row.value for row in self.rows if row.value is not None]
        return sum(values) / len(values)

    @property
    def goodness(self) -> float:
        return self.value if self.rows[0].higher_is_better else -self.value

    @property
    def name(self) -> str:
        return f"{self.key} {self.metric}"


def leaderboard(folder: Path, cards: Cards, metrics: Sequence[str] = ()) -> Leaderboard:
    """Rank the models of all runs of a folder.

    Args:
        folder: A folder with runs at any depth, or a run.
        cards: The cards of models, which have their titles.
        metrics: Names of the metrics to rank by, with or without the brackets of a stand-in; () for all.

    Raises:
        InputError: There is no run in the folder, none of them is scored, or a metric is in none of them.
    """
    not_ranked: list[NotRanked] = []
    opened: list[RunReader] = []
    for run in runs_below(folder):
        try:
            opened.append(RunReader.open(run))
        except GillBenchError as error:
            not_ranked.append(NotRanked(run, "", first_line(error).removeprefix(f"{run}: ")))
    readers, cards = named_runs(opened, {}, cards)
    known = {name for reader in readers for _, metric in reader.rows for name in (metric, metric.partition("[")[0])}
    for name in metrics:
        if name not in known:
            raise InputError(f"--metric {name}: no run has it; {did_you_mean(name, known)}")
    by_column: dict[tuple[str, str, str], list[_Number]] = {}
    for number in _numbers(readers, not_ranked):
        if not metrics or number.metric in metrics or number.metric.partition("[")[0] in metrics:
            column = number.key.task, number.key.context, number.metric.partition("[")[0]
            by_column.setdefault(column, []).append(number)
    rankings: list[Ranking] = []
    for _, numbers in sorted(by_column.items()):
        for group in _comparable(numbers, not_ranked):
            try:
                rankings.append(_ranking(group, cards))
            except GillBenchError as error:  # a file of a run is damaged
                not_ranked += [NotRanked(each.reader.folder, each.name, first_line(error)) for each in group]
    if not rankings and not not_ranked:
        raise InputError(f"{folder}: none of its runs has a number; run or score them first")
    return Leaderboard(folder, tuple(rankings), tuple(not_ranked))


def _numbers(readers: Iterable[RunReader], not_ranked: list[NotRanked]) -> Iterable[_Number]:
    """The numbers of all runs; one that a run shares with an earlier run is left out, and one without a value."""
    first: dict[tuple[CellKey, str, str], Path] = {}
    for reader in readers:
        for (key, metric), rows in reader.rows.items():
            number = _Number(reader, key, metric, tuple(rows))
            run = first.setdefault((key, metric, rows[0].signature), reader.folder)
            if run != reader.folder:
                not_ranked.append(NotRanked(reader.folder, number.name, f"the same number as in {run}"))
            elif all(row.value is None for row in rows):
                not_ranked.append(NotRanked(reader.folder, number.name, "nothing of it was scored"))
            else:
                yield number


def _comparable(numbers: Sequence[_Number], not_ranked: list[NotRanked]) -> list[list[_Number]]:
    """Groups of numbers with the same metric and signature, the largest first; a number alone beside it is left out."""
    groups: dict[tuple[str, str], list[_Number]] = {}
    for number in numbers:
        groups.setdefault((number.metric, number.rows[0].signature), []).append(number)
    largest, *others = sorted(groups.values(), key=_size, reverse=True)
    ranked = [largest]
    for group in others:
        if len(group) > 1:
            ranked.append(group)
            continue
        (number,) = group
        differences = describe_differences(largest[0].rows[0].signature, number.rows[0].signature)
        reason = f"made in another way than what is ranked: {differences}"
        not_ranked.append(NotRanked(number.reader.folder, number.name, reason))
    return ranked


def _size(group: Sequence[_Number]) -> tuple[int, int]:
    """The number of models, then the number of values behind them."""
    return len(group), sum(row.n_scored for number in group for row in number.rows)


def _ranking(numbers: Sequence[_Number], cards: Cards) -> Ranking:
    ordered = sorted(numbers, key=lambda number: (-number.goodness, number.key.model))
    pairs: dict[tuple[int, int], Comparison] = {}
    untested = []
    for first, second in combinations(range(len(ordered)), 2):
        outcome = _test(ordered[first], ordered[second])
        if isinstance(outcome, Comparison):
            pairs[first, second] = outcome
        else:
            models = f"{ordered[first].key.model} and {ordered[second].key.model}"
            untested.append(f"{models} were not tested: {outcome.reason}")
    adjusted = dict(zip(pairs, holm([pair.p for pair in pairs.values()]), strict=True)) if pairs else {}
    better_than: dict[int, set[int]] = {number: set() for number in range(len(ordered))}
    for (first, second), pair in pairs.items():
        if pair.better is not None and adjusted[first, second] <= LEVEL:
            winner, loser = (second, first) if pair.better else (first, second)
            better_than[loser].add(winner)
    entries = [
        _entry(number, cards, 1 + len(better_than[position]), pairs.get((0, position)), adjusted.get((0, position)))
        for position, number in enumerate(ordered)
    ]
    top = ordered[0]
    return Ranking(
        top.key.task,
        top.key.context,
        top.metric,
        top.rows[0].higher_is_better,
        top.rows[0].signature,
        tuple(sorted(entries, key=lambda entry: entry.rank)),
        tuple(untested),
    )


def _test(first: _Number, second: _Number) -> Comparison | LeftOut:
    return compare_cells((first.reader, second.reader), (first.key, second.key), first.metric, 0, {})


def _entry(number: _Number, cards: Cards, rank: int, to_best: Comparison | None, p: float | None) -> Entry:
    scored = [row for row in number.rows if row.value is not None]
    gaps = list(Counts.of(number.rows).in_words().values())
    unscored = [str(row.seed) for row in number.rows if row.value is None]
    model = number.key.model
    return Entry(
        rank,
        model,
        cards.model(model).title if model in cards.files["model"] else model,
        number.reader.folder,
        number.value,
        StoredIntervals([number.reader])(number.rows),
        tuple(row.seed for row in scored),
        min(row.n_scored for row in scored),
        None if to_best is None else to_best.difference,
        p,
        (*gaps, *([f"no value with seed {', '.join(unscored)}"] if unscored else [])),
    )
