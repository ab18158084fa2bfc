"""Tiny random language models of real classes, with their tokenizers, in the published layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.support.tiny_vision_language import TEXT, hf, token_ids, tokenizer

__all__ = ["CAUSAL", "hf", "write_causal_lm"]
_SMALL = {**TEXT, "max_position_embeddings": 512}
CAUSAL: dict[str, Callable[[dict[str, Any]], Any]] = {
    "gpt2": lambda ids: hf.GPT2LMHeadModel(hf.GPT2Config(n_embd=16, n_layer=2, n_head=2, n_positions=512, **ids)),
    "llama": lambda ids: hf.LlamaForCausalLM(hf.LlamaConfig(**_SMALL, **ids)),
    "qwen3": lambda ids: hf.Qwen3ForCausalLM(hf.Qwen3Config(**_SMALL, **ids)),
    "gemma2": lambda ids: hf.Gemma2ForCausalLM(hf.Gemma2Config(**_SMALL, **ids, query_pre_attn_scalar=8)),
    "mamba": lambda ids: hf.MambaForCausalLM(hf.MambaConfig(hidden_size=16, num_hidden_layers=2, state_size=4, **ids)),
}


def write_causal_lm(name: str, folder: Path) -> Path:
    """Write the model of a name in `CAUSAL`, with values of which different prompts give different texts."""
    words = tokenizer()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CAUSAL[name](token_ids(words))
        for key, parameter in model.named_parameters():
            if parameter.ndim > 1 and "A_log" not in key:
                parameter.data.normal_(0, 0.5 if "emb" in key or "wte" in key else 2 * parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return folder
