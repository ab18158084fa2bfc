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
    """Check files, arguments and sizes before the large weights load; of those only the small checkpoint is read.

    Args:
        weights: Local folders: `checkpoint`, `llm`, `visual_encoder`.
        settings: The card's settings; all of them suit any FROMAGe.

    Raises:
        InputError: Names file and key.
    """
    from gill_bench.models.fromage.arguments import FromageArguments
    from gill_bench.models.interleaved.checking import check_reader_files

    arguments = check_reader_files(weights, FromageArguments)

    from gill_bench.models.fromage.checkpoint import read_checkpoint  # imports torch, which the other checks do not

    read_checkpoint(weights, arguments)


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> Fromage:
    """Load the model; see `check` for the arguments.

    Raises:
        InputError: The weights are damaged or do not fit together; names file and key.
    """
    from gill_bench.models.fromage.model import Fromage

    return Fromage.load(weights, settings, device)
