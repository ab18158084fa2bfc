"""VQA accuracy of a model's answers: cut out of what it said, then as the official evaluator does (protocol 3.9)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.functional.vqa import vqa_accuracy
from gill_bench.metrics.settings import check_settings

kind = "corpus"
_END = re.compile(r"[.,;?!]")


class Settings(BaseModel):
    """Of the card.

    Attributes:
        evaluator: The official evaluator since 2021, or before.
        answer: How an answer is cut out of a text. "sentence": up to the first line break and then up to the first of
            . , ; ? !, stripped, in lower case. "magma": to as many words as the longest reference answer has, which
            looks at the references. "verbatim": as it is.
    """

    model_config = ConfigDict(extra="forbid")
    evaluator: Literal["2021", "2017"] = "2021"
    answer: Literal["sentence", "magma", "verbatim"] = "sentence"


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """Evaluator and what is taken as the answer."""
    own = check_settings(Settings, settings, "vqa-accuracy")
    looks = " (looks at the references)" if own.answer == "magma" else ""
    return f"vqa-accuracy|evaluator:{own.evaluator}|answer:{own.answer}{looks}"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Raise `InputError` for settings that cannot work."""
    check_settings(Settings, settings, "vqa-accuracy")


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """Accuracy, 0 to 1, over all questions, per answer type and per question type.

    Args:
        outputs: What the model said, by question id.
        references: The annotators' answers; facts `answer_type` and `question_type`.
        settings: As `Settings`.
        question: Not used.
    """
    own = check_settings(Settings, settings, "vqa-accuracy")
    each = {
        name: vqa_accuracy(
            answer_of(str(text), own.answer, references[name].answers), references[name].answers, own.evaluator
        )
        for name, text in outputs.items()
    }
    found = [_mean("vqa-accuracy", each, None)]
    for fact in ("answer_type", "question_type"):
        kinds: dict[str, dict[str, float]] = {one.facts.get(fact, ""): {} for one in references.values()}
        for name, value in each.items():
            kinds[references[name].facts.get(fact, "")][name] = value
        found += [
            _mean(f"vqa-accuracy/{fact}/{value}", mine, (fact, value)) for value, mine in sorted(kinds.items()) if value
        ]
    return found


def answer_of(text: str, rule: str, references: Sequence[str]) -> str:
    """What counts as the answer in a text.

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
