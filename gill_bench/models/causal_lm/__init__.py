"""A language model by itself: OPT without GILL (App. E.4), and text-only baselines.

It runs through the code of GILL, so that a comparison of speed compares the models: the same decoding loop, with or
without a cache (`use_cache`, which both cards have), the same cut at stop strings, the same scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from gill_bench.errors import InputError
from gill_bench.models.interleaved.checking import check_language_files
from gill_bench.models.interleaved.configs import language_sizes
from gill_bench.models.interleaved.settings import Precision

if TYPE_CHECKING:
    from gill_bench.models.causal_lm.model import CausalLanguageModel

__all__ = ["Settings", "check", "load"]


class Settings(BaseModel):
    """Precision and decoding.

    Attributes:
        dtype: "auto" = bfloat16 on an accelerator, float32 on a CPU.
        use_cache: Keep keys and values while text is generated; false = the authors' loop, which reads everything again
            with every token (protocol 1.12, 3.12). The texts are the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Precision = "auto"
    use_cache: bool = True


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check files before anything is loaded.

    Args:
        weights: Local folder: `llm`, an OPT of any size.
        settings: Of the card; nothing in them can be wrong with these weights.

    Raises:
        InputError: A file is missing, empty or cut off, or the folder is of another kind of model.
    """
    folder = _folder(weights)
    language_sizes(folder)
    check_language_files(folder)


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> CausalLanguageModel:
    """Load the model; see `check` for the arguments.

    Raises:
        InputError: The weights are damaged or incomplete.
    """
    from gill_bench.models.causal_lm.model import CausalLanguageModel

    check(weights, settings)
    return CausalLanguageModel.load(_folder(weights), settings, device)


def _folder(weights: Mapping[str, Path]) -> Path:
    if set(weights) != {"llm"}:
        raise InputError(f"weights: expected 'llm' alone, got {sorted(weights)}")
    return weights["llm"]
