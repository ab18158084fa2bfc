"""GILL's own objective and trainer, and the classifier that decides between retrieving and generating.

`train` is protocol 2, the paper's Eq. 1-5 as the authors' code computes them; see docs/training.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gill_bench.training.config import TrainConfig

if TYPE_CHECKING:
    from gill_bench.training.trainer import TrainResult

__all__ = ["TrainConfig", "train"]


def train(config: TrainConfig) -> TrainResult:
    """Train GILL's heads and [IMG] embeddings; the same configuration again resumes.

    Raises:
        InputError: A file is missing or malformed, or things do not fit together; mostly before weights load.
    """
    from gill_bench.training.trainer import train as run

    return run(config)
