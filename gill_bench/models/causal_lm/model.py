"""OPT behind the shared model interface."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gill_bench.errors import InputError
from gill_bench.models.causal_lm.settings import Settings
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.prompt_encoder import EncodedPrompt
from gill_bench.models.interleaved.prompt_reader import PromptReader
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokenizer
from gill_bench.models.precision import resolve_dtype

if TYPE_CHECKING:
    from gill_bench.prompt import Prompt


class CausalLanguageModel(PromptReader):
    """A language model by itself: `TextGenerator` and `TextScorer`, for prompts without pictures."""

    @classmethod
    def load(cls, folder: Path, settings: Settings, device: str) -> CausalLanguageModel:
        """Load from the folder of an OPT."""
        tokens = LanguageTokens(load_tokenizer(folder), (), str(folder))
        dtype = resolve_dtype(settings.dtype, device, torch.bfloat16)
        language = LanguageModel.load(folder, dtype, device)
        encode = partial(encode_texts, tokens, language)
        return cls(tokens, language, encode, encode, use_cache=settings.use_cache, answer_scoring="shifted")


def encode_texts(tokens: LanguageTokens, language: LanguageModel, prompts: Sequence[Prompt]) -> list[EncodedPrompt]:
    """Encode prompts without pictures: BOS, then all segments joined by a space, as for every text-only model.

    Raises:
        InputError: A prompt holds pictures.
    """
    encoded = []
    for prompt in prompts:
        if prompt.images:
            raise InputError(f"a language model by itself reads no pictures, but a prompt has {len(prompt.images)}")
        ids = [tokens.bos, *tokens.encode(prompt.text)]
        labels = torch.tensor(ids, dtype=torch.long, device=language.device)
        encoded.append(EncodedPrompt(language.embed(labels), labels))
    return encoded
