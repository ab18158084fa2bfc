"""Ranking of answer options as a task's metric: Recall@k, MRR, mean rank, NDCG (VisDial; protocol 3.6)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from gill_bench.cards import Value
from gill_bench.metrics import Question, Reference, Score
from gill_bench.metrics.dialog_ranking import dense_scores, ndcg
from gill_bench.metrics.ranking import hits_at, ranks_of_scores, reciprocal_ranks
from gill_bench.metrics.settings import check_settings

kind = "corpus"
_KS = (1, 5, 10, 20)
_ROUNDS = 10  # of every dialog of VisDial


class Settings(BaseModel):
    """Of the card.

    Attributes:
        dense_round: "corrected": NDCG is of the annotated round. "fromage_compat": of the round after it, as FROMAGe's
            script has it.
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
    """Recall@k, MRR and mean rank over all rounds, NDCG over the dialogs with relevances.

    Args:
        outputs: Log-likelihoods of the options by "<image id>:<round>".
        references: Facts `gt_index`, `round`, and where there are any `dense_round` and `relevance`.
        settings: As `Settings`.
        question: Not used.
    """
    own = check_settings(Settings, settings, "answer-ranking")
    names = list(outputs)
    if not names:
        empty = [*(f"recall@{k}" for k in _KS), "mrr", "ndcg"]
        return [Score(name, None, True, 0) for name in empty]
    table = np.array([outputs[name] for name in names], dtype=np.float64)
    found = ranks_of_scores(table, np.array([int(references[name].facts["gt_index"]) for name in names]))
    numbers = [_mean(f"recall@{k}", names, hits_at(found, k), True) for k in _KS]
    numbers.append(_mean("mrr", names, reciprocal_ranks(found), True))
    numbers.append(_mean("mean-rank", names, found.better + found.ties / 2 + 1, False))
    dense = _whole_dialogs(names, references)
    if dense:
        rounds = np.array([int(references[mine[0]].facts["dense_round"]) for mine in dense])
        place = {name: number for number, name in enumerate(names)}
        cube = np.stack([table[[place[name] for name in mine]] for mine in dense])
        chosen = dense_scores(cube, rounds, fromage_compat=own.dense_round == "fromage_compat")
        relevance = np.array([json.loads(references[mine[0]].facts["relevance"]) for mine in dense], dtype=np.float64)
        values = ndcg(chosen, relevance)
        annotated = [mine[number - 1] for mine, number in zip(dense, rounds, strict=True)]
        numbers.append(
            Score(
                "ndcg",
                float(values.mean()),
                True,
                len(dense),
                ("dense", "yes"),
                dict(zip(annotated, values.tolist(), strict=True)),
            )
        )
    return numbers


def _mean(metric: str, names: Sequence[str], values: NDArray[np.floating], higher: bool) -> Score:
    each = dict(zip(names, values.astype(float).tolist(), strict=True))
    return Score(metric, float(values.mean()), higher, len(names), each=each)


def _whole_dialogs(names: Sequence[str], references: Mapping[str, Reference]) -> list[list[str]]:
    """The rounds of each dialog that has relevances, of those dialogs of which every round is there."""
    dialogs: dict[str, list[str]] = {}
    for name in names:
        if "relevance" in references[name].facts:
            dialogs.setdefault(name.partition(":")[0], []).append(name)
    return [mine for mine in dialogs.values() if len(mine) == _ROUNDS]
