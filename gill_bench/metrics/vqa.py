"""The metric of answers to questions: the answer is cut out of a model's text and scored as in VQAv2 (protocol 3.9)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value, validated
from gill_bench.metrics import Question, Reference, Score, Trivial
from gill_bench.metrics.functional.vqa import vqa_accuracy

kind = "corpus"
needs = ("answers",)
_END = re.compile(r"[.,;?!]")


class Settings(BaseModel):
    """The metric's settings in a card.

    Attributes:
        evaluator: The state of the official evaluator: "2021" is the newest, "2017" the one before.
        answer: The rule by which an answer is cut out of a text. "sentence" takes the first line up to the first of
            . , ; ? !, strips it and makes it lower case. "magma" takes as many words as the longest reference answer
            has, so it looks at the references. "verbatim" takes the text as it is.
    """

    model_config = ConfigDict(extra="forbid")
    evaluator: Literal["2021", "2017"] = "2021"
    answer: Literal["sentence", "magma", "verbatim"] = "sentence"


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The evaluator and the rule for answers, in one text."""
    checked = validated(Settings, settings, "vqa-accuracy")
    looks = " (looks at the references)" if checked.answer == "magma" else ""
    return f"vqa-accuracy|evaluator:{checked.evaluator}|answer:{checked.answer}{looks}"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check the settings."""
    validated(Settings, settings, "vqa-accuracy")


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """The mean accuracy, 0 to 1, of all questions, of each answer type and of each question type.

    `outputs` has the model's text for each question, `references` the annotators' answers to each, with the facts
    `answer_type` and `question_type`.
    """
    checked = validated(Settings, settings, "vqa-accuracy")
    accuracies = {
        name: vqa_accuracy(
            answer_of(str(text), checked.answer, references[name].answers), references[name].answers, checked.evaluator
        )
        for name, text in outputs.items()
    }
    means = [_mean("vqa-accuracy", accuracies, None)]
    for fact in ("answer_type", "question_type"):
        kinds: dict[str, dict[str, float]] = {reference.facts.get(fact, ""): {} for reference in references.values()}
        for name, accuracy in accuracies.items():
            kinds[references[name].facts.get(fact, "")][name] = accuracy
        means += [_mean(f"vqa-accuracy/{fact}/{kind}", kinds[kind], (fact, kind)) for kind in sorted(kinds) if kind]
    return means


def trivial(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> Trivial | None:
    """The same answer to every question: the one that annotators gave most often to those that are scored."""
    given = Counter(answer for name in outputs for answer in references[name].answers)
    if not given:
        return None
    most = min(given, key=lambda answer: (-given[answer], answer))
    return Trivial(f'"{most}" to every question', dict.fromkeys(outputs, most), question.asks)


def answer_of(text: str, rule: str, references: Sequence[str]) -> str:
    """The answer in a model's text, by a rule of `Settings.answer`.

    >>> answer_of(" Two dogs, I think.\\nQ: and?", "sentence", [])
    'two dogs'
    >>> answer_of("a red car on a road", "magma", ["red", "red car"])
    'a red'
    """
    if rule == "sentence":
        line = text.strip().split("\n", 1)[0]
        return _END.split(line, maxsplit=1)[0].strip().lower()
    if rule == "magma":
        return " ".join(text.split()[: max(len(answer.split()) for answer in references)])
    return text


def _mean(metric: str, each: Mapping[str, float], where: tuple[str, str] | None) -> Score:
    mean = math.fsum(each.values()) / len(each) if each else None
    return Score(metric, mean, True, len(each), where, each=each if where is None else None)
