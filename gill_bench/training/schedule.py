"""Learning rate and data order as pure functions of the step, so that resuming needs no stored state for them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from gill_bench.training.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """Learning rate of optimizer step 0, 1, ... (protocol 2.5).

    The authors' scheduler is not stepped at the last batch of an epoch. It warms up linearly from exactly 0; from the
    step after the warm-up on, a StepLR takes over and counts from there.

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
    """Derive a seed from a description; it is the same on every machine.

    >>> seed_of(0, "coins", 5) == seed_of(0, "coins", 5)
    True
    """
    return int.from_bytes(hashlib.sha256(" ".join(map(str, parts)).encode()).digest()[:7])


@dataclass(frozen=True, slots=True)
class ExampleOrder:
    """The order of examples: a new permutation in each epoch, and further ones if an epoch needs more examples.

    Attributes:
        name: Name of the examples, such as "pairs"; different names give independent orders.
        seed: Seed of the training.
        examples: Number of examples.
        batch: Number of examples in a step, over all processes.
        steps_per_epoch: Number of steps in an epoch.
    """

    name: str
    seed: int
    examples: int
    batch: int
    steps_per_epoch: int

    def indices(self, step: int, rank: int, processes: int) -> list[int]:
        """The indices of the examples that one process takes in a step: its share of the batch."""
        epoch, within = divmod(step, self.steps_per_epoch)
        share = self.batch // processes
        begin = within * self.batch + rank * share
        indices: list[int] = []
        while len(indices) < share:
            number, first = divmod(begin + len(indices), self.examples)
            permutation = _permutation(seed_of(self.seed, self.name, epoch, number), self.examples)
            indices += permutation[first : first + share - len(indices)].tolist()
        return indices


@lru_cache(maxsize=4)
def _permutation(seed: int, count: int) -> Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
