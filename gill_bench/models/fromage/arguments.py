"""The fields of a FROMAGe checkpoint's `model_args.json`, which says what it was trained with (protocol 4)."""

from __future__ import annotations

from pydantic import Field

from gill_bench.models.interleaved.model_args import ReaderArguments


class FromageArguments(ReaderArguments):
    """The fields that the harness needs; `n_visual_tokens` is 1, or 4 in the released `fromage_vis4`.

    All others change nothing and are ignored: what is frozen, dropout, the prompt of captioning, `task`, flags that the
    authors' code no longer reads, and `retrieval_token_idx`, which follows from the tokenizer.

    Attributes:
        shared_emb_dim: Width of the retrieval space, p; None = the width of the language model, whose states are then
            the queries themselves.
    """

    shared_emb_dim: int | None = Field(gt=0)
