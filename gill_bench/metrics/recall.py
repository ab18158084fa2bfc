"""Recall@k of retrieval, from ranks that were found by exact search (paper Table 5; protocol 3.5, 3.6).

Where others are exactly as similar as the right one, their order is taken to be random and the expected value is
counted (`gill_bench.metrics.functional.ranking`). One that is masked is counted as not found.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value
from gill_bench.errors import InputError
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.functional.ranking import Ranks, hits_at
from gill_bench.metrics.settings import check_settings

kind = "corpus"


class Settings(BaseModel):
    """Of the card.

    Attributes:
        at: The values of k, separated by commas.
        direction: Which way is searched; see `gill_bench.scoring.search`.
        mask_seen: Pictures that the prompt has shown are not searched.
    """

    model_config = ConfigDict(extra="forbid")
    at: str = "1,5,10"
    direction: Literal["text-to-image", "image-to-text"] = "text-to-image"
    mask_seen: bool = False


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """Search, ties and mask."""
    own = check_settings(Settings, settings, "recall")
    return (
        f"recall|direction:{own.direction}|seen:{'masked' if own.mask_seen else 'searched'}|search:exact|ties:expected"
    )


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Raise `InputError` for settings that cannot work."""
    _values_of_k(check_settings(Settings, settings, "recall"))


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """Recall at each k.

    Args:
        outputs: (better, ties, masked) by example id.
        references: Not used.
        settings: As `Settings`.
        question: Not used.
    """
    own = check_settings(Settings, settings, "recall")
    columns = zip(*outputs.values(), strict=True) if outputs else ((), (), ())
    ranks = Ranks(*(np.array(column) for column in columns))
    prefix = "recall" if own.direction == "text-to-image" else f"recall-{own.direction}"
    found = []
    for k in _values_of_k(own):
        hits = hits_at(ranks, k).tolist() if outputs else []
        mean = math.fsum(hits) / len(hits) if hits else None
        found.append(Score(f"{prefix}@{k}", mean, True, len(hits), each=dict(zip(outputs, hits, strict=True))))
    return found


def _values_of_k(settings: Settings) -> list[int]:
    try:
        values = [int(part) for part in settings.at.split(",")]
    except ValueError as error:
        raise InputError(f"recall: at = {settings.at!r}: expected whole numbers separated by commas") from error
    if any(k < 1 for k in values):
        raise InputError(f"recall: at = {settings.at!r}: expected numbers of at least 1")
    return values
