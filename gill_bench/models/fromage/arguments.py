"""`model_args.json`, the file that says what a FROMAGe checkpoint was trained with (protocol 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.models.gill.arguments import read_as


class FromageArguments(BaseModel):
    """What the harness needs of the file.

    Everything else in it changes nothing here: what is frozen, dropout, the prompt of captioning, `task`, flags that
    the authors' code no longer reads, and `retrieval_token_idx`, which follows from the tokenizer.

    Attributes:
        opt_version: Language model: hub id, or a folder, absolute or relative to the checkpoint.
        visual_encoder: CLIP: likewise.
        n_visual_tokens: Input embeddings per picture: 1, or 4 in the released `fromage_vis4`.
        shared_emb_dim: Width of the retrieval space, p; None = that of the language model, whose states are then
            queries as they are.
        text_emb_layers: Layers whose states the text head reads; only the last is ever used.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    opt_version: str = Field(min_length=1)
    visual_encoder: str = Field(min_length=1)
    n_visual_tokens: int = Field(gt=0)
    shared_emb_dim: int | None = Field(gt=0)
    text_emb_layers: tuple[Literal[-1]] = (-1,)


def read_arguments(folder: Path) -> FromageArguments:
    """Read a checkpoint's `model_args.json`.

    Raises:
        InputError: The file is missing, is not JSON, or a field is missing or not what FROMAGe can be.
    """
    return read_as(FromageArguments, folder)
