"""The metric of answer options ranked by a model: Recall@k, MRR, mean rank and NDCG (VisDial; protocol 3.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gill_bench.cards.find import Value, validated
from gill_bench.metrics import Question, Reference, Score, Trivial
from gill_bench.metrics.functional.ndcg import ndcg
from gill_bench.metrics.functional.ranking import hits_at, ranks_of_scores, reciprocal_ranks

kind = "corpus"
needs = ("answers", "facts.gt_index")
_KS = (1, 5, 10, 20)
_DENSE = ("dense", "yes")


class Settings(BaseModel):
    """The metric's settings in a card.

    Attributes:
        dense_round: The round whose scores NDCG compares with the relevances of the annotated round: "corrected" takes
            the annotated round itself, "fromage_compat" the round after it, as FROMAGe's script does. If no round
            follows, the script leaves the annotated round out.
    """

    model_config = ConfigDict(extra="forbid")
    dense_round: Literal["corrected", "fromage_compat"] = "corrected"


def signature(settings: Mapping[str, Value], backbone: str) -> str:
    """The round that NDCG takes, and the treatment of ties, in one text."""
    checked = validated(Settings, settings, "answer-ranking")
    return f"answer-ranking|dense_round:{checked.dense_round}|ties:expected"


def check(weights: Path | None, settings: Mapping[str, Value], backbone: str) -> None:
    """Check the settings."""
    validated(Settings, settings, "answer-ranking")


def scores(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> list[Score]:
    """Recall@k, MRR and mean rank over all rounds, NDCG over the rounds with relevances.

    `outputs` has the log-likelihoods of the options by "<image id>:<round>", `references` the rounds in the order of
    the data with the fact `gt_index`; annotated rounds also have the facts `dense` ("yes") and `relevance`.
    """
    checked = validated(Settings, settings, "answer-ranking")
    names = list(outputs)
    if not names:
        empty = [Score(name, None, True, 0) for name in [*(f"recall@{k}" for k in _KS), "mrr"]]
        return [*empty, Score("mean-rank", None, False, 0), *_ndcg(outputs, references, checked)]
    table = np.array([outputs[name] for name in names], dtype=np.float64)
    ranks = ranks_of_scores(table, np.array([int(references[name].facts["gt_index"]) for name in names]))
    return [
        *(_mean(f"recall@{k}", names, hits_at(ranks, k), True) for k in _KS),
        _mean("mrr", names, reciprocal_ranks(ranks), True),
        _mean("mean-rank", names, ranks.better + ranks.ties / 2 + 1, False),
        *_ndcg(outputs, references, checked),
    ]


def trivial(
    outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Mapping[str, Value], question: Question
) -> Trivial:
    """Scores of a model to which all options are alike: their order is random."""
    alike = {name: [0.0] * len(scores) for name, scores in outputs.items()}
    return Trivial("a random order of the options", alike, question.asks)


def _mean(metric: str, names: Sequence[str], values: NDArray[np.floating], higher: bool) -> Score:
    each = dict(zip(names, values.astype(float).tolist(), strict=True))
    return Score(metric, float(values.mean()), higher, len(names), each=each)


def _ndcg(outputs: Mapping[str, Any], references: Mapping[str, Reference], settings: Settings) -> list[Score]:
    """NDCG over the annotated rounds that have scores; no score if no round is annotated."""
    order = list(references)
    dense = [index for index, name in enumerate(order) if references[name].facts.get("dense") == "yes"]
    if not dense:
        return []
    # FROMAGe's script takes the round after; after the last round of a dialog, the first round of the next dialog.
    step = 1 if settings.dense_round == "fromage_compat" else 0
    within = [index for index in dense if index + step < len(order)]
    left_out = len(dense) - len(within)
    pairs = [(order[index], order[index + step]) for index in within if order[index + step] in outputs]
    if not pairs:
        return [Score("ndcg", None, True, 0, _DENSE, left_out=left_out)]
    relevance = np.array([json.loads(references[name].facts["relevance"]) for name, _ in pairs], dtype=np.float64)
    values = ndcg(np.array([outputs[scored] for _, scored in pairs], dtype=np.float64), relevance)
    each = dict(zip([name for name, _ in pairs], values.tolist(), strict=True))
    return [Score("ndcg", float(values.mean()), True, len(pairs), _DENSE, each, left_out=left_out)]
