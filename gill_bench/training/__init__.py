"""GILL's own objective and trainer, and the classifier that decides between retrieving and generating.

`train` follows protocol 2: the paper's Eq. 1-5 as the authors' code computes them (docs/training.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gill_bench.training.config import TrainConfig

if TYPE_CHECKING:
    from gill_bench.training.trainer import TrainResult

__all__ = ["TrainConfig", "train"]


def train(config: TrainConfig) -> TrainResult:
    """Train GILL's heads and [IMG] embeddings; a second call with the same configuration resumes.

    Raises:
        InputError: A file is missing or malformed, or weights, targets and settings do not fit together. Most of this
            is checked before weights load.
    """
    from gill_bench.training.trainer import train as run

    return run(config)
