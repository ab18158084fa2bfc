"""The finding in each task: one sentence made from its numbers, with the evidence and what speaks against it.

A rule decides what the sentence says, whatever the numbers are: the gain of the richest context over the poorest, in
the metric that the tables show first; else the best model beside the next; else the number of the only model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gill_bench.analysis.gallery_records import ModelTest
from gill_bench.reporting.own_encoder import own_encoder
from gill_bench.reporting.page.numbers import Number, TaskNumbers
from gill_bench.reporting.page.words import context_words, given, metric_words
from gill_bench.reporting.structure import LEVEL, Column, Table, TableCell, in_unit
from gill_bench.reporting.text import number

_MOST_OTHERS = 4
_MOST_EQUAL = 3
_NO_INTERVAL = "no interval, as nothing tells of its spread"
_OVER = {"clusters": "clusters of examples", "seeds": "seeds"}
_TESTED = (
    "The two are compared over the same examples; p by randomisation over clusters of examples, Holm over all tests of"
    " the task."
)
_UNTESTED = "The two are not tested: single examples have no values of their own, or all are of one cluster."


@dataclass(frozen=True, slots=True)
class TaskFinding:
    """The finding in a task: a claim, its evidence and its limits.

    Attributes:
        task: The name of the task's card.
        title: The title of the task's card.
        claim: The sentence, without the evidence and without a full stop.
        evidence: The interval, and how many examples and seeds the claim rests on.
        notes: Sentences on the other models, and on what limits the claim.
        method: How the difference was tested; "" if none was.
        metric: The metric of the claim.
        model: The model that the claim is about.
        contexts: For each model that the claim is about or compares, the context of its outputs that illustrate it.
    """

    task: str
    title: str
    claim: str
    evidence: str
    notes: tuple[str, ...]
    method: str
    metric: str
    model: str
    contexts: Mapping[str, str]


def find(
    numbers: TaskNumbers, gains: Table | None, tests: Sequence[ModelTest], titles: Mapping[str, str]
) -> TaskFinding:
    """Say what was found in a task.

    Args:
        numbers: The numbers of the task.
        gains: What models gain from their richest context over their poorest (`context_gains`); None if nothing is
            known of it.
        tests: The tests of pairs of models, for all tasks.
        titles: The titles of models by name; a model without one is called by its name.
    """
    names = {model: titles.get(model, model) for model in numbers.models}
    if gains is not None:
        said = _of_contexts(numbers, _gains_of(gains), names)
    else:
        own = [test for test in tests if (test.task, test.metric) == (numbers.task, numbers.metric)]
        said = _of_models(numbers, own, names)
    metric = numbers.metric
    cell = numbers.by_metric[metric][said.contexts[said.model]][said.model].cell
    notes = (*said.others, *_limits(cell), *_own_encoder(cell, names[said.model], metric))
    return TaskFinding(
        numbers.task,
        numbers.title,
        said.claim,
        ", ".join(said.evidence),
        notes,
        said.method,
        metric,
        said.model,
        said.contexts,
    )


class _Said(NamedTuple):
    model: str
    contexts: Mapping[str, str]
    claim: str
    evidence: tuple[str, ...]
    others: tuple[str, ...] = ()
    method: str = ""


@dataclass(frozen=True, slots=True)
class _Gain:
    model: str
    cell: TableCell
    column: Column

    @property
    def mean(self) -> float:
        assert self.cell.mean is not None
        return self.cell.mean

    @property
    def loses(self) -> bool:
        """Whether the richer context is worse by more than chance."""
        interval, p = self.cell.interval, self.cell.p_holm
        return interval is not None and interval.high < 0 and p is not None and p <= LEVEL

    @property
    def between(self) -> str:
        """The two contexts in words."""
        return f"from {context_words(self.column.context)} over {context_words(self.column.over)}"


def _gains_of(table: Table) -> list[_Gain]:
    """The gains of all models, largest first."""
    gains = [
        _Gain(line.model, cell, column)
        for line in table.lines
        for column, cell in zip(table.columns, line.cells, strict=True)
        if cell.mean is not None
    ]
    return sorted(gains, key=lambda gain: -gain.mean)


def _of_contexts(numbers: TaskNumbers, gains: Sequence[_Gain], names: Mapping[str, str]) -> _Said:
    """The finding in a task whose models were asked in contexts of different sizes."""
    gaining = [gain for gain in gains if gain.cell.stands_out]
    losing = [gain for gain in reversed(gains) if gain.loses]
    first = (gaining or losing or gains)[0]
    name, metric = names[first.model], metric_words(numbers.metric)
    size = _size(abs(first.mean), first.column)
    higher = numbers.first.column.higher_is_better
    if gaining:
        claim = f"{name} gains {size} in {metric}" if higher else f"{name} improves {metric} by {size}"
        claim = f"{claim} {first.between}"
    elif losing:
        claim = f"{name} loses {size} in {metric}" if higher else f"{name} worsens {metric} by {size}"
        claim = f"{claim} {first.between}"
    elif len(gains) > 1:
        claim = (
            f"No model gains significantly in {metric} from more context: the largest difference is {name}'s"
            f" {_signed(first.mean, first.column)}, {first.between}"
        )
    else:
        claim = (
            f"{name} does not gain significantly in {metric} {first.between}:"
            f" the difference is {_signed(first.mean, first.column)}"
        )
    evidence = (
        f"95\u00a0% interval {_ends(first.cell, first.column)}",
        _p(first.cell.p_holm),
        _count(first.cell.pairs, "example"),
        _count(len(first.cell.seeds), "seed"),
    )
    holm = f", Holm over {len(gains)} models" if len(gains) > 1 else ""
    method = (
        "Differences are paired over the same examples and the same noise; the interval is over clusters of examples,"
        f" with what seeds add; p by randomisation over clusters{holm}."
    )
    richest = {name: contexts[-1] for name in numbers.models if (contexts := numbers.contexts_of(name, numbers.metric))}
    richest |= {gain.model: gain.column.context for gain in gains}
    return _Said(first.model, richest, claim, evidence, _others(first, gains, names), method)


def _others(first: _Gain, gains: Sequence[_Gain], names: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence on the gains of the models that the claim is not about."""
    others = [gain for gain in gains if gain is not first]
    if not others:
        return ()
    texts = [f"{names[gain.model]} {_printed_gain(gain, first)}" for gain in others[:_MOST_OTHERS]]
    texts += [f"and {len(others) - _MOST_OTHERS} more"] if len(others) > _MOST_OTHERS else []
    return (f"The others: {'; '.join(texts)}.",)


def _printed_gain(gain: _Gain, first: _Gain) -> str:
    between = "" if gain.column == first.column else f" {gain.between}"
    verdict = "" if gain.cell.stands_out or gain.loses else ", not significant"
    return f"{_signed(gain.mean, gain.column)} [{_ends(gain.cell, gain.column, ', ')}]{between}{verdict}"


def _of_models(numbers: TaskNumbers, tests: Sequence[ModelTest], names: Mapping[str, str]) -> _Said:
    """The finding in a task in which no two contexts can be compared."""
    contexts = numbers.by_metric[numbers.metric]
    context = next(reversed([name for name, models in contexts.items() if len(models) > 1] or list(contexts)))
    higher = numbers.first.column.higher_is_better
    # Without a direction nothing is better: models stand in the order of the tables.
    sign = {True: -1.0, False: 1.0, None: 0.0}[higher]
    ranked = sorted(contexts[context].items(), key=lambda item: sign * item[1].mean)
    model, best = ranked[0]
    compared = {name: context for name, _ in ranked}
    metric, where = metric_words(numbers.metric), given(context)
    value = _value(best)
    if len(ranked) == 1 or higher is None:
        return _Said(model, compared, f"{names[model]} has {value} in {metric} {where}", _evidence(best))
    second, runner_up = ranked[1]
    equal = [names[name] for name, shown in ranked if _value(shown) == value]
    if len(equal) > 1:
        return _Said(model, compared, f"{_listed(equal)} have the same {metric} {where}, {value}", _evidence(best))
    test = next((test for test in tests if test.context == context and set(test.models) == {model, second}), None)
    if test is None:
        claim = (
            f"{names[model]} has the best {metric} {where}, {value}, before {names[second]} with {_value(runner_up)}"
        )
        return _Said(model, compared, claim, _evidence(best), (_UNTESTED,))
    lead, ends = _lead(test, model, higher, best.column)
    claim = f"{names[model]} has the best {metric} {where}, {value}"
    if ends[0] > 0 and test.p_holm <= LEVEL:
        claim = f"{claim}: {_size(lead, best.column)} better than {names[second]}"
    else:
        claim = f"{claim}, but no significant lead over {names[second]}"
    low, high = (_minus(number(end, best.column.digits)) for end in ends)
    evidence = (
        f"95\u00a0% interval of the difference {low} to {high}",
        _p(test.p_holm),
        _count(test.difference.n, "example"),
        _count(len(best.cell.seeds), "seed"),
    )
    return _Said(model, compared, claim, evidence, method=_TESTED)


def _lead(test: ModelTest, model: str, higher: bool, column: Column) -> tuple[float, list[float]]:
    """How much better a model is than the other of its test, and the ends of the interval, in the column's unit."""
    sign = 1.0 if (test.models[1] == model) == higher else -1.0
    difference = test.difference
    ends = sorted(in_unit(sign * end, column.percent) for end in (difference.low, difference.high))
    return in_unit(sign * difference.mean, column.percent), ends


def _evidence(shown: Number) -> tuple[str, ...]:
    """The interval of a number, or that it has none, and its counts."""
    cell = shown.cell
    over = f" over {_OVER[cell.interval.over]}" if cell.interval else ""
    interval = f"95\u00a0% interval {_ends(cell, shown.column)}{over}" if cell.interval else _NO_INTERVAL
    examples = max(cell.n_examples, default=0)
    return interval, _count(examples, "example"), _count(len(cell.seeds), "seed")


def _limits(cell: TableCell) -> tuple[str, ...]:
    """Sentences on data that was not asked, and outputs that are lacking."""
    sentences = []
    limits = [(row.n_expected, row.n_available) for row in cell.rows if row.n_expected < row.n_available]
    if limits:
        sentences.append(f"Asked: {limits[0][0]:,} of the {limits[0][1]:,} examples of the data.")
    if cell.gaps:
        sentences.append(f"Incomplete: {', '.join(cell.gaps)}.")
    return tuple(sentences)


def _own_encoder(cell: TableCell, name: str, metric: str) -> tuple[str, ...]:
    if not own_encoder(cell):
        return ()
    return (f"The network of {metric_words(metric)} is a component of {name} itself; read another metric beside it.",)


def _listed(names: Sequence[str]) -> str:
    """Names as words of a sentence, at most three of them.

    >>> _listed(["A", "B"]), _listed(["A", "B", "C", "D"])
    ('A and B', 'A, B and 2 more')
    """
    last = names[-1] if len(names) <= _MOST_EQUAL else f"{len(names) - _MOST_EQUAL + 1} more"
    return f"{', '.join(names[: min(len(names), _MOST_EQUAL) - 1])} and {last}"


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _value(shown: Number) -> str:
    return _minus(number(shown.mean, shown.column.digits)) + (" %" if shown.column.percent else "")


def _size(value: float, column: Column) -> str:
    return number(value, column.digits) + (" points" if column.percent else "")


def _signed(value: float, column: Column) -> str:
    return _minus(f"{value:+z.{column.digits}f}") + (" points" if column.percent else "")


def _ends(cell: TableCell, column: Column, between: str = " to ") -> str:
    if cell.interval is None:
        return ""
    return between.join(_minus(number(end, column.digits)) for end in (cell.interval.low, cell.interval.high))


def _p(p: float | None) -> str:
    return "p unknown" if p is None else "p\u00a0<\u00a00.001" if p < 0.001 else f"p\u00a0=\u00a0{p:.2g}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
