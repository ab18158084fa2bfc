"""A language model by itself: OPT without GILL (App. E.4), and text-only baselines.

OPT runs through the code of GILL, so that a comparison of speed compares the models: the same decoding loop, with or
without a cache (`use_cache`, which both cards have), the same cut at stop strings, the same scores.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.models.causal_lm.settings import Settings
from gill_bench.models.components import expect_components
from gill_bench.models.interleaved.checking import check_language_files
from gill_bench.models.interleaved.network_sizes import language_sizes

if TYPE_CHECKING:
    from gill_bench.models.causal_lm.model import CausalLanguageModel

__all__ = ["Settings", "check", "load"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check files before anything is loaded.

    Args:
        weights: Local folder of the component `llm`, an OPT of any size.
        settings: The card's settings; all of them suit any OPT.

    Raises:
        InputError: A file is missing, empty or cut off, or the folder holds another kind of model.
    """
    expect_components(weights, "llm")
    language_sizes(weights["llm"])
    check_language_files(weights["llm"])


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> CausalLanguageModel:
    """Load the model; see `check` for the arguments.

    Raises:
        InputError: The weights are damaged or incomplete.
    """
    from gill_bench.models.causal_lm.model import CausalLanguageModel

    check(weights, settings)
    return CausalLanguageModel.load(weights["llm"], settings, device)
