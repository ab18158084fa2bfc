"""FROMAGe (Koh, Salakhutdinov, Fried, ICML 2023): GILL's predecessor, which retrieves pictures and generates none.

A frozen OPT reads text and projected CLIP features; one [RET] token at the end of a prompt gives the state from which
a picture is retrieved. Facts: protocol 4. Prompts, text and scores go through the same code as GILL's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.models.interleaved.settings import ReadingSettings as Settings

if TYPE_CHECKING:
    from gill_bench.models.fromage.model import Fromage

__all__ = ["Settings", "check", "load"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check the files of `checkpoint`, `llm` and `visual_encoder`; no values are read."""
    from gill_bench.models.fromage.arguments import FromageArguments
    from gill_bench.models.fromage.checking import check_checkpoint
    from gill_bench.models.interleaved.checking import check_reader_files

    check_checkpoint(weights, check_reader_files(weights, FromageArguments))


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> Fromage:
    """Load the model."""
    from gill_bench.models.fromage.model import Fromage

    return Fromage.load(weights, settings, device)
