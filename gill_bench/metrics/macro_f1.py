"""Macro F1 of deciding between retrieving and generating (paper Table 6, App. C; protocol 3.11)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value, validated
from gill_bench.errors import InputError
from gill_bench.metrics import Question, Reference, Score, Trivial
from gill_bench.metrics.functional.decision import (
    constant_f1,
    human_f1,
    random_f1,
    similarity_rule,
    sweep,
    threshold_rule,
)

kind = "corpus"
needs = ("facts.label", "facts.part")
NAME = "macro-f1"
_TEST = ("part", "test")
_RULES = ("always-retrieve", "always-generate", "random", "human")


class Settings(BaseModel):
    """The metric has no settings: the data set decides which prompts are scored and how they are split."""

    model_config = ConfigDict(extra="forbid")


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The classes and the thresholds, in one text."""
    return f"{NAME}|classes:gen,ret|headline:threshold 0.5|thresholds:0(0.01)1"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check that there are no settings."""
    validated(Settings, settings, NAME)


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """Macro F1 and accuracy at threshold 0.5, and the minimum and maximum of macro F1 over thresholds.

    In the context "all-labels" every prompt with a label counts, else only those of the test part.

    Args:
        outputs: By prompt, depending on the output kind: the probability of "retrieve" (features, decisions), the
            largest similarity to a candidate (embeddings), or the name of a rule that reads only labels (nothing).
        references: The facts `label`, `part` and `votes` of each prompt.
        settings: Not used.
        question: Output kind and context.
    """
    where = None if question.context == "all-labels" else _TEST
    names = [name for name, prompt in references.items() if where is None or prompt.facts["part"] == where[1]]
    if question.asks == "images":  # for annotators to vote on: nothing was decided, so nothing is scored
        return [Score(NAME, None, True, 0, where, left_out=len(names))]
    scored = [name for name in names if name in outputs]
    if not scored:
        return [Score(NAME, None, True, 0, where)]
    truth = [references[name].facts["label"] for name in scored]
    if question.asks == "nothing":
        return _of_rule(str(outputs[scored[0]]), truth, scored, references, where)
    values = np.array([float(outputs[name]) for name in scored])
    rule, given = (
        (similarity_rule, values)
        if question.asks == "embeddings"
        else (threshold_rule, np.stack([1 - values, values], axis=1))
    )
    swept = sweep(truth, given, rule)
    right = [float(decision == label) for decision, label in zip(rule(given, 0.5), truth, strict=True)]
    return [
        Score(NAME, swept.at_half, True, len(scored), where),
        Score(f"{NAME}-min", swept.minimum, True, len(scored), where),
        Score(f"{NAME}-max", swept.maximum, True, len(scored), where),
        _accuracy(scored, right, where),
    ]


def trivial(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> Trivial | None:
    """Random decisions with the class prior of the train part; None for a rule, which knows nothing either."""
    if question.asks == "nothing":
        return None
    return Trivial("random decisions with the class prior", dict.fromkeys(outputs, "random"), "nothing")


def _of_rule(
    rule: str,
    truth: list[str],
    scored: list[str],
    references: Mapping[str, Reference],
    where: tuple[str, str] | None,
) -> list[Score]:
    if rule in ("always-retrieve", "always-generate"):
        always: Literal["ret", "gen"] = "ret" if rule == "always-retrieve" else "gen"
        right = [float(label == always) for label in truth]
        return [
            Score(NAME, constant_f1(truth, always), True, len(scored), where),
            _accuracy(scored, right, where),
        ]
    if rule == "human":
        value = human_f1([references[name].facts["votes"].split(",") for name in scored], truth).mean
    elif rule == "random":
        train = [prompt.facts["label"] for prompt in references.values() if prompt.facts["part"] == "train"] or truth
        share = train.count("ret") / len(train)
        expected = random_f1(truth, share)
        return [
            Score(NAME, expected.mean, True, len(scored), where),
            Score(f"{NAME}-of-a-draw-sd", expected.std, False, len(scored), where),
            _accuracy(scored, [share if label == "ret" else 1 - share for label in truth], where),
        ]
    else:
        raise InputError(f"{NAME}: no rule named {rule!r}; there is {', '.join(_RULES)}")
    return [Score(NAME, value, True, len(scored), where)]


def _accuracy(names: list[str], right: list[float], where: tuple[str, str] | None) -> Score:
    """The share of right decisions; unlike macro F1 it has a value for each prompt, so that it can be compared."""
    each = dict(zip(names, right, strict=True))
    return Score("decision-accuracy", math.fsum(right) / len(right), True, len(right), where, each=each)
