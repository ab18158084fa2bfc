"""The embedded weights: small checkpoints in the package, and the note that every table of their numbers carries."""

from __future__ import annotations

from pathlib import Path

import gill_bench

NOTE_WEIGHTS = (
    "Weights: small embedded checkpoints, trained on this synthetic world (docs/mini.md). Their numbers show the"
    " findings in that world; they say nothing about the published models or real pictures."
)


def weights_folder() -> Path:
    """The folder of the small trained checkpoints, which lie in it under the names that cards give."""
    return Path(gill_bench.__file__).parent / "mini" / "weights"
