"""GILL (Koh, Fried, Salakhutdinov, NeurIPS 2023): a frozen language model that reads and produces pictures.

A frozen OPT reads text and projected CLIP features; eight [IMG] tokens at the end of a prompt give the states from
which a picture is retrieved (linear head) or generated (GILLMapper, then Stable Diffusion). Facts: protocol 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.models.gill.settings import Settings

if TYPE_CHECKING:
    from gill_bench.models.gill.model import Gill

__all__ = ["Settings", "check", "load"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check files, arguments, keys and sizes; no values are read.

    The components are `checkpoint`, `llm`, `visual_encoder`, and `image_decoder` where pictures are wanted.
    """
    from gill_bench.models.gill.checking import check_checkpoint, check_files

    check_checkpoint(weights, check_files(weights, safety_checker=settings.safety_checker))


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> Gill:
    """Load the model."""
    from gill_bench.models.gill.model import Gill

    return Gill.load(weights, settings, device)
