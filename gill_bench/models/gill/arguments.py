"""The fields of a GILL checkpoint's `model_args.json`, which says what it was trained with (protocol 1.7)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, Field, model_validator

from gill_bench.models.interleaved.model_args import ReaderArguments


class GillArguments(ReaderArguments):
    """The fields that the harness needs; all others (freezing, dropout, token ids) change nothing and are ignored.

    Attributes:
        ret_emb_dim: Width of the retrieval space, p.
        gen_emb_dim: Width of the generation head's output.
        num_tokens: Number of [IMG] tokens, r. Older files say `num_gen_tokens` and `num_ret_tokens`, which are equal.
        num_clip_tokens: Number of conditioning vectors that the generation head gives.
        text_fc_mode: Kind of the generation head; the authors' code has only "gill_mapper" and "linear".
        ret_text_fc_mode: Kind of the retrieval head.
        share_ret_gen: Whether retrieval and generation use the same tokens; always true.
    """

    ret_emb_dim: int = Field(gt=0)
    gen_emb_dim: int = Field(gt=0)
    num_tokens: int = Field(gt=0, validation_alias=AliasChoices("num_tokens", "num_gen_tokens", "num_ret_tokens"))
    num_clip_tokens: int = Field(gt=0)
    text_fc_mode: Literal["gill_mapper", "linear", "mlp", "encoder"]
    ret_text_fc_mode: Literal["linear"] = "linear"
    share_ret_gen: Literal[True] = True

    @model_validator(mode="before")
    @classmethod
    def _counts_agree(cls, raw: Any) -> Any:
        if isinstance(raw, dict):
            names = ("num_tokens", "num_gen_tokens", "num_ret_tokens")
            counts = {name: raw[name] for name in names if name in raw}
            if len(set(map(repr, counts.values()))) > 1:
                given = ", ".join(f"{name} = {value!r}" for name, value in counts.items())
                raise ValueError(f"{given} differ; retrieval and generation share their tokens")
        return raw
