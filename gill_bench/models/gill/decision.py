"""The classifier that decides between retrieving and generating (protocol 1.8)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from gill_bench.errors import InputError
from gill_bench.interfaces import Decision
from gill_bench.models.gill.checking import DECISION_FILE, check_decision
from gill_bench.models.interleaved.checkpoint import read_tensors


class DecisionModel:
    """A linear layer over the state at [IMG0]; the dropout before it does nothing outside training.

    Args:
        weight: (2, e), or (2, e + 1) where the layer reads the largest cosine similarity to the candidates too, as in
            the paper.
        bias: (2,). Row 0 is "generate", row 1 is "retrieve".
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self.weight = weight
        self.bias = bias

    def reads_similarity(self, width: int) -> bool:
        """Whether the layer reads the similarity besides states of this width."""
        return self.weight.shape[1] == width + 1

    @torch.inference_mode()
    def __call__(self, states: Tensor, similarities: Sequence[float] | None = None) -> list[Decision]:
        """Decide for states (N, e) at [IMG0].

        Raises:
            InputError: The layer reads the similarity, and none is given.
        """
        features = states.to(self.weight.dtype)
        if self.reads_similarity(states.shape[1]):
            if similarities is None:
                raise InputError(
                    f"{DECISION_FILE}: this decision model reads the largest similarity to the retrieval candidates"
                    " besides the state, and none is given"
                )
            column = torch.tensor(list(similarities), dtype=features.dtype, device=features.device)
            features = torch.cat([features, column[:, None]], dim=1)
        logits = torch.nn.functional.linear(features, self.weight, self.bias)
        probabilities = logits.float().softmax(dim=-1)[:, 1].tolist()
        return [Decision("retrieve" if p > 0.5 else "generate", p) for p in probabilities]


def read_decision(file: Path, width: int) -> tuple[Tensor, Tensor]:
    """Read a decision model's weight and bias.

    Args:
        file: A checkpoint's `decision_model.pth.tar`.
        width: Width of the language model's states, e.

    Raises:
        InputError: The file is unreadable, or does not hold exactly two tensors, of shape (2, e) or (2, e + 1) and
            of shape (2,).
    """
    check_decision(file, width)
    state = read_tensors(file)
    return state["1.weight"], state["1.bias"]
