"""A language model by itself: OPT without GILL (App. E.4), and any other language model of transformers.

OPT runs through the code of GILL, so that a comparison of speed compares the models: the same decoding loop, with or
without a cache (`use_cache`, which both cards have), the same cut at stop strings, the same scores. Any other class of
`AutoModelForCausalLM` runs through its own `generate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gill_bench.models.causal_lm.settings import Settings
from gill_bench.models.components import expect_components
from gill_bench.models.interleaved.checking import check_language_files
from gill_bench.models.interleaved.network_sizes import language_sizes
from gill_bench.models.writing.files import check_model_type, check_tokenizer_files
from gill_bench.weights.checkpoints import check_network_files

if TYPE_CHECKING:
    from gill_bench.models.causal_lm.any_network import AnyCausalLanguageModel
    from gill_bench.models.causal_lm.model import CausalLanguageModel

__all__ = ["Settings", "check", "load"]

_OPT = "opt"


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check the files of the component `network`, or `llm`, as OPT's card names it."""
    folder = _folder(weights)
    if check_model_type(folder) == _OPT:
        language_sizes(folder)
        check_language_files(folder)
    else:
        check_tokenizer_files(folder)
        check_network_files(folder, "transformers")


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> CausalLanguageModel | AnyCausalLanguageModel:
    """Load the model."""
    from gill_bench.models.causal_lm.any_network import AnyCausalLanguageModel
    from gill_bench.models.causal_lm.model import CausalLanguageModel

    check(weights, settings)
    folder = _folder(weights)
    kind = CausalLanguageModel if check_model_type(folder) == _OPT else AnyCausalLanguageModel
    return kind.load(folder, settings, device)


def _folder(weights: Mapping[str, Path]) -> Path:
    if set(weights) != {"llm"}:
        expect_components(weights, "network")
    return next(iter(weights.values()))
