"""The embedded weights: small checkpoints in the package, and the note under every table of numbers made with them."""

from __future__ import annotations

from pathlib import Path

import gill_bench

NOTE_WEIGHTS = (
    "Weights: small embedded checkpoints, trained on this synthetic world (docs/mini.md). Their numbers show the"
    " findings in that world; they say nothing about the published models or real pictures."
)


def weights_folder() -> Path:
    """The folder of the small trained checkpoints; a card's `mini` is the name of one of its files or folders."""
    return Path(gill_bench.__file__).parent / "mini" / "weights"
