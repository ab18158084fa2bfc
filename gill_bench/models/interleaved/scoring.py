"""Log-likelihoods of given continuations; a prompt with many continuations is read once (protocol 3.6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.tokens import LanguageTokens

AnswerScoring = Literal["shifted", "fromage_compat"]
"""How a continuation is scored.

"shifted": the sum of the log-probabilities (nats) of its tokens, each given all that precedes it.
"fromage_compat": the score by which FROMAGe's script ranks VisDial's answers. A continuation begins with a BOS of its
own, and each token, BOS included, is looked up in the distribution at its own position instead of the one before, which
says how likely the token is to come a second time.
"""
POSITIONS = 8192  # positions in one pass; their keys and values take 4 GB for OPT-6.7B in half precision


def continuation_ids(tokens: LanguageTokens, text: str, scoring: AnswerScoring) -> list[int]:
    """The ids of a continuation that are scored, with a BOS where the scoring wants it."""
    ids = tokens.encode(text)
    return [tokens.bos, *ids] if scoring == "fromage_compat" else ids


@torch.inference_mode()
def score_each(
    language: LanguageModel, prompts: Sequence[Tensor], ids: Sequence[Sequence[int]], scoring: AnswerScoring
) -> list[float]:
    """Score N prompts' (T_i, e) continuations, one for each, in one pass."""
    sequences = [torch.cat([prompt, language.embed(row)]) for prompt, row in zip(prompts, ids, strict=True)]
    back = 1 if scoring == "shifted" else 0  # the state before each token predicts it
    return [
        _score(language, states[len(states) - len(row) - back : len(states) - back], row)
        for states, row in zip(language.states(sequences), ids, strict=True)
    ]


@torch.inference_mode()
def score_branches(
    language: LanguageModel, prompt: Tensor, ids: Sequence[Sequence[int]], scoring: AnswerScoring
) -> list[float]:
    """Score N continuations of one prompt (T, e), which is read once."""
    branches = language.branches(prompt)
    scores = []
    count = max(POSITIONS // (len(prompt) + max(map(len, ids), default=0)), 1)
    for begin in range(0, len(ids), count):
        rows = ids[begin : begin + count]
        states = branches.states([language.embed(row) for row in rows]) if any(rows) else [prompt[:0]] * len(rows)
        for row, own in zip(rows, states, strict=True):
            before = torch.cat([branches.last, own[:-1]])[: len(row)] if scoring == "shifted" else own
            scores.append(_score(language, before, row))
    return scores


def _score(language: LanguageModel, states: Tensor, ids: Sequence[int]) -> float:
    """Sum of the log-probabilities of S ids, each in the distribution of its state (S, e)."""
    logits = language.logits(states).float()
    targets = torch.tensor(ids, dtype=torch.long, device=logits.device)
    # 0 - x gives an empty continuation, which is certain, 0.0 rather than -0.0.
    return 0.0 - float(cross_entropy(logits, targets, reduction="sum"))
