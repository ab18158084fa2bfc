"""Small FROMAGe checkpoints with the keys, prefixes and files of the released ones, and random values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from tests.support.random_weights import LLM_WIDTH, RETRIEVAL_WIDTH, VISION_WIDTH

State = dict[str, torch.Tensor]


def state_dict(k: int, p: int | None = RETRIEVAL_WIDTH, e: int = LLM_WIDTH, d: int = VISION_WIDTH) -> State:
    """The released layout (protocol 4), with other sizes."""
    generator = torch.Generator().manual_seed(1)

    def draw(*shape: int, scale: float = 1.0) -> torch.Tensor:
        values: torch.Tensor = scale * torch.randn(shape, generator=generator) / shape[-1] ** 0.5
        return values

    ret = draw(1, e, scale=4)
    projection = {"weight": draw(p, e), "bias": draw(p)} if p is not None else {}
    return {
        "model.logit_scale": torch.tensor(2.65926),
        **{f"model.text_hidden_fcs.0.0.{name}": value for name, value in projection.items()},
        "model.visual_embeddings.weight": draw(k * e, d, scale=0.5),
        "model.visual_embeddings.bias": draw(k * e),
        "model.visual_fc.weight": draw(p or e, d),
        "model.visual_fc.bias": draw(p or e),
        "ret_input_embeddings.weight": ret,
    }


def arguments(k: int, p: int | None = RETRIEVAL_WIDTH) -> dict[str, Any]:
    """The keys of the released files, which two versions of the authors' code wrote."""
    common = {
        "opt_version": "../opt-mini",
        "freeze_lm": True,
        "visual_encoder": "../clip-mini",
        "freeze_vm": True,
        "n_visual_tokens": k,
        "image_embed_dropout_prob": 0.0,
        "text_embed_dropout_prob": 0.0,
        "shared_emb_dim": p,
        "text_emb_layers": [-1],
        "retrieval_token_idx": 50266,
    }
    if k == 4:
        return {**common, "use_image_embed_norm": False, "use_text_embed_layernorm": False}
    return {
        **common,
        "task": "multitask",
        "pretrained_visual": True,
        "use_pooler": True,
        "append_retrieval_token": True,
        "num_appended_retrieval_tokens": 1,
        "input_prompt": "A picture of",
        "add_input_to_ret": True,
        "tunable_prompt_length": 0,
    }


def build_fromage(folder: Path, k: int, p: int | None = RETRIEVAL_WIDTH) -> Path:
    folder.mkdir(parents=True)
    (folder / "model_args.json").write_text(json.dumps(arguments(k, p)))
    torch.save({"state_dict": state_dict(k, p)}, folder / "pretrained_ckpt.pth.tar")
    return folder
