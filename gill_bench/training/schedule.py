"""Learning rate and data order, each a pure function of the step, so that resuming needs no state of them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gill_bench.training.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """Learning rate of optimizer step 0, 1, ... (protocol 2.5).

    The authors' scheduler is not stepped at the last batch of an epoch. It warms up linearly from exactly 0; the step
    after the warm-up hands over to a StepLR, which counts from there.

    >>> config = TrainConfig(data=".", llm=".", visual_encoder=".", out=".")
    >>> [learning_rate(config, step) for step in (0, 1999, 2000, 12006, 12007)]
    [0.0, 0.0009995, 0.0009995, 0.001, 0.0001]
    """
    scheduled = step - step // config.steps_per_epoch
    if scheduled < config.warmup_steps:
        return config.lr * scheduled / config.warmup_steps
    after = max(0, scheduled - config.warmup_steps - 1)
    return config.lr * config.decay_factor ** (after // (config.decay_epochs * config.steps_per_epoch))


def seed_of(*parts: object) -> int:
    """A seed from a description, the same on every machine.

    >>> seed_of(0, "coins", 5) == seed_of(0, "coins", 5)
    True
    """
    return int.from_bytes(hashlib.sha256(" ".join(map(str, parts)).encode()).digest()[:7])


@dataclass(frozen=True, slots=True)
class ExampleOrder:
    """Which examples a step takes: a new permutation each epoch, and again one where an epoch needs more.

    Attributes:
        name: Of what is ordered; others are ordered independently.
        seed: Of the training.
        examples: How many there are.
        batch: Examples a step, over all processes.
        steps_per_epoch: Steps.
    """

    name: str
    seed: int
    examples: int
    batch: int
    steps_per_epoch: int

    def indices(self, step: int, rank: int, processes: int) -> list[int]:
        """Examples of one process in a step: its share of the global batch."""
        epoch, within = divmod(step, self.steps_per_epoch)
        share = self.batch // processes
        begin = within * self.batch + rank * share
        found: list[int] = []
        while len(found) < share:
            number, place = divmod(begin + len(found), self.examples)
            permutation = _permutation(seed_of(self.seed, self.name, epoch, number), self.examples)
            found += permutation[place : place + share - len(found)].tolist()
        return found


@lru_cache(maxsize=4)
def _permutation(seed: int, count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
