"""Training of the classifier that decides between retrieving and generating (protocol 1.8, 3.11)."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from gill_bench.errors import InputError
from gill_bench.models.gill.checking import DECISION_FILE
from gill_bench.models.gill.decision import DecisionModel
from gill_bench.storage.files import write_atomic

LABELS = ("gen", "ret")
LEARNING_RATE, STEPS, DROPOUT, SEED = 1e-3, 2000, 0.5, 1337  # values of the authors' notebook


def train_decision(
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
    seed: int = SEED,
) -> DecisionModel:
    """Train Dropout and a linear layer with cross-entropy, AdamW without decay, on all examples at once.

    Args:
        features: States (N, e) at [IMG0]; or (N, e + 1) with a last column of the largest cosine similarity to the
            retrieval candidates, as in the paper.
        labels: Label of each example (N,), 0 = generate, 1 = retrieve.
        steps: Number of optimizer steps.
        learning_rate: Learning rate, which stays constant.
        seed: Seed of initial values and dropout.

    Raises:
        InputError: Shapes or labels are wrong, or features are not finite.
    """
    if features.ndim != 2 or labels.shape != features.shape[:1] or not len(labels):
        raise InputError(f"features {features.shape} and labels {labels.shape}: expected (N, e) and (N,), N > 0")
    if not set(np.unique(labels).tolist()) <= {0, 1} or not np.isfinite(features).all():
        raise InputError(f"expected finite features, and labels 0 ({LABELS[0]}) or 1 ({LABELS[1]}) only")
    inputs, targets = torch.from_numpy(features).float(), torch.from_numpy(labels).long()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layer = nn.Linear(features.shape[1], len(LABELS))
        model = nn.Sequential(nn.Dropout(DROPOUT), layer)
        optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
        for _ in range(steps):
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return DecisionModel(layer.weight.detach(), layer.bias.detach())


def save_decision(model: DecisionModel, folder: Path) -> Path:
    """Write `decision_model.pth.tar` into a checkpoint's folder, in the authors' layout; returns the file."""
    state = {"1.weight": model.weight.float().cpu(), "1.bias": model.bias.float().cpu()}
    buffer = io.BytesIO()
    torch.save({"state_dict": state}, buffer)
    write_atomic(folder / DECISION_FILE, buffer.getvalue())
    return folder / DECISION_FILE
