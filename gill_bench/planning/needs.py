"""The parts of examples that metrics read: data that lacks them is refused before any weights are loaded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gill_bench.cards.find import TaskCard
from gill_bench.datasets import Dataset, Example
from gill_bench.errors import InputError
from gill_bench.interfaces import OutputKind
from gill_bench.metrics import metric


def check_needs(card: TaskCard, loaded: Dataset, asks: Sequence[OutputKind]) -> None:
    """Check that every example has what the task's metrics and its models are given.

    Args:
        card: The task's card.
        loaded: The data.
        asks: The kinds of output that models are asked for in the task's contexts.

    Raises:
        InputError: An example lacks a target, answers or a fact; names it and the metric.
    """
    for spec in card.metrics:
        module = metric(spec.name, card.home)
        needs = ("target",) if module.kind == "pairs" else tuple(getattr(module, "needs", ()))
        for need in needs:
            _check(card, loaded.examples, need, f"the metric {spec.name} needs")
        if module.kind == "distribution" and not loaded.references:
            raise InputError(
                f"{card.name}: the data names no reference pictures, with which the metric {spec.name} compares"
            )
    if "scores" in asks:
        _check(card, loaded.examples, "answers", "models are asked to score")
        counts = Counter(len(example.answers) for example in loaded.examples)
        if len(counts) > 1:
            usual = counts.most_common(1)[0][0]
            other = next(example for example in loaded.examples if len(example.answers) != usual)
            raise InputError(
                f"{card.name}: example {other.id!r} has {len(other.answers)} answers, most others {usual}; ranks are"
                " comparable only among as many answers"
            )


def _check(card: TaskCard, examples: Sequence[Example], need: str, why: str) -> None:
    lacking = [example for example in examples if not _has(example, need)]
    if lacking:
        noun = f"fact {need.removeprefix('facts.')!r}" if need.startswith("facts.") else need
        raise InputError(
            f"{card.name}: {len(lacking)} of {len(examples)} examples have no {noun}, which {why}; the first is"
            f" {lacking[0].id!r}"
        )


def _has(example: Example, need: str) -> bool:
    if need == "target":
        return example.target is not None
    return bool(example.answers) if need == "answers" else need.removeprefix("facts.") in example.facts
