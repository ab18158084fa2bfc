"""Any `AutoModelForCausalLM` of transformers behind the shared model interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gill_bench.errors import InputError
from gill_bench.models.causal_lm.settings import Settings
from gill_bench.models.interleaved.tokens import load_tokenizer
from gill_bench.models.precision import resolve_dtype
from gill_bench.models.writing.control import continuation_ids
from gill_bench.models.writing.network import BATCH, TextNetwork
from gill_bench.prompt import Prompt


class AnyCausalLanguageModel:
    """A `TextGenerator` and `TextScorer` for prompts without pictures, whose segments are joined by a space.

    A prompt has the tokens that the tokenizer puts before a text; an empty prompt begins with BOS. A text ends with the
    model's end token. Results do not depend on which prompts share a pass, up to the rounding of matrix products.
    """

    def __init__(self, network: TextNetwork, tokenizer: Any, folder: Path) -> None:
        self.network = network
        self._tokenizer = tokenizer
        self._folder = folder
        short, long = (Prompt(("a" + " b" * words,)) for words in (0, 6))
        self._pads = network.reads_padded(self._encoded([short, long]), self._encoded([short]))

    @classmethod
    def load(cls, folder: Path, settings: Settings, device: str) -> AnyCausalLanguageModel:
        """Load from the folder of a model of `AutoModelForCausalLM`."""
        from transformers import AutoModelForCausalLM

        tokenizer = load_tokenizer(folder)
        dtype = resolve_dtype(settings.dtype, device, torch.bfloat16)
        network = TextNetwork.load(AutoModelForCausalLM, folder, dtype, device, tokenizer, settings.use_cache)
        return cls(network, tokenizer, folder)

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Continue prompts with the likeliest tokens up to the end token; cut before the first stop string."""
        texts: list[str] = []
        size = BATCH if self._pads else 1
        for start in range(0, len(prompts), size):
            inputs = self._encoded(prompts[start : start + size])
            texts += self.network.continuations(inputs, max_new_tokens, stop, f"prompt {start}")
        return texts

    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        """Sums of the log-probabilities (nats) of continuations' tokens, whose ids follow those of their prompt."""
        rows = [continuation_ids(self._tokenizer, text) for text in continuations]
        return self.network.score(prompts, rows, self._encoded)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text, for tokens per second."""
        return [len(self._tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]

    def _encoded(self, prompts: Sequence[Prompt]) -> dict[str, Tensor]:
        """Ids and mask (N, T) of N prompts, padded on the left."""
        rows = []
        for prompt in prompts:
            if prompt.images:
                raise InputError(f"a language model by itself reads no pictures, but a prompt has {len(prompt.images)}")
            rows.append(self._ids(prompt.text))
        longest = max(map(len, rows))
        pad = self._tokenizer.pad_token_id or 0
        ids = [[pad] * (longest - len(row)) + row for row in rows]
        mask = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}

    def _ids(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text)["input_ids"]
        plain: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        while len(ids) > len(plain) and ids[-1] in (self._tokenizer.eos_token_id, self._tokenizer.sep_token_id):
            if plain and ids[-len(plain) :] == plain:
                break
            ids.pop()  # a text that has ended has no continuation
        if ids:
            return ids
        first = next((token for token in (self._tokenizer.bos_token_id, *self.network.ends) if token is not None), None)
        if first is None:
            raise InputError(f"{self._folder}: this tokenizer has no token to begin a text with, and a prompt is empty")
        return [first]
