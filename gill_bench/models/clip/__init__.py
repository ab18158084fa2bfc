"""CLIP by itself: the retrieval baseline of Table 5 (protocol 3.5).

Any CLIP of transformers with both towers. How the pictures of a prompt were used for the paper's row is not public; the
row itself is that of captions alone, whatever the table's caption says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from gill_bench.errors import InputError
from gill_bench.models.interleaved.checking import check_language_files, check_visual_files
from gill_bench.weights.checkpoints import read_json

if TYPE_CHECKING:
    from gill_bench.models.clip.retriever import ClipRetriever

__all__ = ["Settings", "check", "load"]


class Settings(BaseModel):
    """How a prompt becomes a query.

    Attributes:
        fusion: "text" = the text alone, the pictures of a prompt are not looked at. "mean" = the mean of the
            L2-normalised embeddings of the text and of each picture, all with equal weight, normalised again.
        dtype: Of both towers. Embeddings are normalised in float32.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fusion: Literal["text", "mean"] = "text"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check files before anything is loaded.

    Args:
        weights: Local folder: `clip`.
        settings: Of the card; nothing in them can be wrong with these weights.

    Raises:
        InputError: A file is missing, empty or cut off, or the folder does not hold both towers.
    """
    folder = _folder(weights)
    kind = read_json(folder / "config.json").get("model_type")
    if kind != "clip":
        raise InputError(
            f"{folder / 'config.json'}: model_type = {kind!r}, expected 'clip', a CLIP with both towers,"
            " as prompts are read by that for text"
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
    return ClipRetriever.load(_folder(weights), settings, device)


def _folder(weights: Mapping[str, Path]) -> Path:
    if set(weights) != {"clip"}:
        raise InputError(f"weights: expected 'clip' alone, got {sorted(weights)}")
    return weights["clip"]
