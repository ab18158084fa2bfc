"""CLIP by itself, the retrieval baseline of Table 5 (protocol 3.5), and other models of two towers.

The adapter takes any CLIP of transformers with both towers; any other model with `get_image_features` and
`get_text_features`, such as SigLIP, SigLIP 2 and AltCLIP; and, for pictures of prompts alone, encoders such as DINOv2.
The paper does not say how its row used the pictures of a prompt; the row's number is that of captions alone, whatever
the table's caption says.
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
from gill_bench.weights.picture_encoder import has_text_tower

if TYPE_CHECKING:
    from gill_bench.models.clip.retriever import Retriever

__all__ = ["Settings", "check", "load"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check that the component `clip` holds both towers, or an encoder of pictures where `fusion` needs no other.

    Raises:
        InputError: A file is missing, empty or cut off, or the folder does not hold both towers.
    """
    expect_components(weights, "clip")
    folder = weights["clip"]
    if _is_clip(folder):
        check_language_files(folder)
        check_visual_files(folder)
        return
    if not has_text_tower(folder) and settings.fusion != "pictures":
        raise InputError(
            f"{folder / 'config.json'}: model_type = {read_json(folder / 'config.json').get('model_type')!r}, expected"
            " 'clip': a CLIP with both towers, since the text tower reads the prompts, or another model of two towers;"
            " an encoder of pictures alone needs fusion = 'pictures', or can be that of a metric"
            " (docs/vision-language-models.md)"
        )
    check_visual_files(folder)


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> Retriever:
    """Load the model."""
    check(weights, settings)
    folder = weights["clip"]
    if _is_clip(folder):
        from gill_bench.models.clip.retriever import ClipRetriever

        return ClipRetriever.load(folder, settings, device)
    from gill_bench.models.clip.any_towers import PictureRetriever, TwoTowerRetriever
    from gill_bench.weights.picture_encoder import PictureEncoder

    if not has_text_tower(folder):
        return PictureRetriever(PictureEncoder.load(folder, settings.dtype, device, "pooled"), settings)
    return TwoTowerRetriever.load(folder, settings, device)


def _is_clip(folder: Path) -> bool:
    return read_json(folder / "config.json").get("model_type") == "clip"
