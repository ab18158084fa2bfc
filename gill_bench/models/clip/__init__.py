"""CLIP by itself: the retrieval baseline of Table 5 (protocol 3.5).

The adapter takes any CLIP of transformers with both towers. The paper does not say how its row used the pictures of a
prompt; the row's number is that of captions alone, whatever the table's caption says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.errors import InputError
from gill_bench.models.clip.settings import Settings
from gill_bench.models.components import expect_components
from gill_bench.models.interleaved.checking import check_language_files, check_visual_files
from gill_bench.storage.reading import read_json

if TYPE_CHECKING:
    from gill_bench.models.clip.retriever import ClipRetriever

__all__ = ["Settings", "check", "load"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check files before anything is loaded.

    Args:
        weights: Local folder of the component `clip`.
        settings: The card's settings; all of them suit any CLIP.

    Raises:
        InputError: A file is missing, empty or cut off, or the folder does not hold both towers.
    """
    expect_components(weights, "clip")
    folder = weights["clip"]
    kind = read_json(folder / "config.json").get("model_type")
    if kind != "clip":
        raise InputError(
            f"{folder / 'config.json'}: model_type = {kind!r}, expected 'clip': a CLIP with both towers, since the text"
            " tower reads the prompts"
        )
    check_language_files(folder)
    check_visual_files(folder)


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> ClipRetriever:
    """Load the model; see `check` for the arguments.

    Raises:
        InputError: The weights are damaged or incomplete.
    """
    from gill_bench.models.clip.retriever import ClipRetriever

    check(weights, settings)
    return ClipRetriever.load(weights["clip"], settings, device)
