"""Recall@k of retrieval, from ranks that an exact search gave (paper Table 5; protocol 3.5, 3.6).

If other candidates are exactly as similar as the target, their order counts as random, and the expected value is taken
(`gill_bench.metrics.functional.ranking`). A target that is masked counts as not retrieved.
"""

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
from gill_bench.metrics.functional.ranking import Ranks, hits_at

kind = "corpus"
needs = ("target",)


class Settings(BaseModel):
    """The metric's settings in a card.

    Attributes:
        at: The values of k, separated by commas.
        direction: "text-to-image" searches pictures, "image-to-text" texts; see `gill_bench.scoring.search`.
        mask_seen: Whether pictures of the prompt are excluded from the search.
    """

    model_config = ConfigDict(extra="forbid")
    at: str = "1,5,10"
    direction: Literal["text-to-image", "image-to-text"] = "text-to-image"
    mask_seen: bool = False


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The direction of the search and the treatment of seen pictures and ties, in one text."""
    checked = validated(Settings, settings, "recall")
    seen = "masked" if checked.mask_seen else "searched"
    return f"recall|direction:{checked.direction}|seen:{seen}|search:exact|ties:expected"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check the settings."""
    _values_of_k(validated(Settings, settings, "recall"))


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """Recall@k for each k of the settings.

    `outputs` has, by example id, the numbers of better and of equal candidates, whether the target is masked, and the
    number of candidates beside the target.
    """
    checked = validated(Settings, settings, "recall")
    columns = list(zip(*outputs.values(), strict=True))[:3] if outputs else ((), (), ())
    ranks = Ranks(*(np.array(column) for column in columns))
    prefix = "recall" if checked.direction == "text-to-image" else f"recall-{checked.direction}"
    recalls = []
    for k in _values_of_k(checked):
        hits = hits_at(ranks, k).tolist() if outputs else []
        mean = math.fsum(hits) / len(hits) if hits else None
        recalls.append(Score(f"{prefix}@{k}", mean, True, len(hits), each=dict(zip(outputs, hits, strict=True))))
    return recalls


def trivial(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> Trivial:
    """Ranks of a search to which all candidates are alike: their order is random."""
    alike = {name: (0, others, masked, others) for name, (_, _, masked, others) in outputs.items()}
    return Trivial("a random order of the candidates", alike, question.asks)


def _values_of_k(settings: Settings) -> list[int]:
    try:
        values = [int(part) for part in settings.at.split(",")]
    except ValueError as error:
        raise InputError(f"recall: at = {settings.at!r}: expected whole numbers separated by commas") from error
    if any(k < 1 for k in values):
        raise InputError(f"recall: at = {settings.at!r}: expected numbers of at least 1")
    return values
