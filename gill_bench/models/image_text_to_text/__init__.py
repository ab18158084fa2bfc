"""Any vision-language model of transformers' `AutoModelForImageTextToText`: it reads pictures, and writes text.

Nothing here knows a class by name: prompts go through the model's own processor, as a chat where the files have a chat
template, else as a plain text with the processor's own placeholders.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.models.components import expect_components
from gill_bench.models.image_text_to_text.settings import Settings
from gill_bench.models.writing.files import check_model_type, check_tokenizer_files
from gill_bench.weights.checkpoints import check_image_processor, check_network_files

if TYPE_CHECKING:
    from gill_bench.models.image_text_to_text.model import VisionLanguageModel

__all__ = ["ORIGINAL_PICTURES", "Settings", "check", "load"]

ORIGINAL_PICTURES = True


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check the files of the component `network`; whether settings suit its chat template shows when it is loaded."""
    expect_components(weights, "network")
    folder = weights["network"]
    check_model_type(folder)
    check_tokenizer_files(folder)
    check_image_processor(folder)
    check_network_files(folder, "transformers")


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> VisionLanguageModel:
    """Load the model; a setting that does not suit it is an `InputError`."""
    from gill_bench.models.image_text_to_text.model import VisionLanguageModel

    check(weights, settings)
    return VisionLanguageModel.load(weights["network"], settings, device)
