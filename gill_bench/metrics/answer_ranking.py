"""Ranking of answer options as a task's metric: Recall@k, MRR, mean rank, NDCG (VisDial; protocol 3.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.functional.ndcg import ndcg
from gill_bench.metrics.functional.ranking import hits_at, ranks_of_scores, reciprocal_ranks
from gill_bench.metrics.settings import check_settings

kind = "corpus"
_KS = (1, 5, 10, 20)
_DENSE = ("dense", "yes")


class Settings(BaseModel):
    """Of the card.

    Attributes:
        dense_round: "corrected": NDCG is of the annotated round. "fromage_compat": of the round after it, as FROMAGe's
            script has it; where none follows, the script stops and averages what it has.
    """

    model_config = ConfigDict(extra="forbid")
    dense_round: Literal["corrected", "fromage_compat"] = "corrected"


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """Which round is dense, and how ties count."""
    own = check_settings(Settings, settings, "answer-ranking")
    return f"answer-ranking|dense_round:{own.dense_round}|ties:expected"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Raise `InputError` for settings that cannot work."""
    check_settings(Settings, settings, "answer-ranking")


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """Recall@k, MRR and mean rank over all rounds, NDCG over the rounds with relevances.

    Args:
        outputs: Log-likelihoods of the options by "<image id>:<round>".
        references: Rounds in the order of the data. Facts: `gt_index`, and of annotated rounds `dense`, "yes", and
            `relevance`.
        settings: As `Settings`.
        question: Not used.
    """
    own = check_settings(Settings, settings, "answer-ranking")
    names = list(outputs)
    if not names:
        empty = [Score(name, None, True, 0) for name in [*(f"recall@{k}" for k in _KS), "mrr"]]
        return [*empty, Score("mean-rank", None, False, 0), *_ndcg(outputs, references, own)]
    table = np.array([outputs[name] for name in names], dtype=np.float64)
    found = ranks_of_scores(table, np.array([int(references[name].facts["gt_index"]) for name in names]))
    numbers = [_mean(f"recall@{k}", names, hits_at(found, k), True) for k in _KS]
    numbers.append(_mean("mrr", names, reciprocal_ranks(found), True))
    numbers.append(_mean("mean-rank", names, found.better + found.ties / 2 + 1, False))
    numbers += _ndcg(outputs, references, own)
    return numbers


def _mean(metric: str, names: Sequence[str], values: NDArray[np.floating], higher: bool) -> Score:
    each = dict(zip(names, values.astype(float).tolist(), strict=True))
    return Score(metric, float(values.mean()), higher, len(names), each=each)


def _ndcg(outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Settings) -> list[Score]:
    """NDCG over the annotated rounds whose scores are there; nothing if no round is annotated."""
    order = list(references)
    dense = [place for place, name in enumerate(order) if references[name].facts.get("dense") == "yes"]
    if not dense:
        return []
    # Compatible: the round after; after a dialog's last one, the next dialog's first.
    step = 1 if settings.dense_round == "fromage_compat" else 0
    within = [place for place in dense if place + step < len(order)]
    left_out = len(dense) - len(within)
    pairs = [(order[place], order[place + step]) for place in within if order[place + step] in outputs]
    if not pairs:
        return [Score("ndcg", None, True, 0, _DENSE, left_out=left_out)]
    relevance = np.array([json.loads(references[name].facts["relevance"]) for name, _ in pairs], dtype=np.float64)
    values = ndcg(np.array([outputs[scored] for _, scored in pairs], dtype=np.float64), relevance)
    each = dict(zip([name for name, _ in pairs], values.tolist(), strict=True))
    return [Score("ndcg", float(values.mean()), True, len(pairs), _DENSE, each, left_out=left_out)]
