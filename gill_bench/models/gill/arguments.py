"""`model_args.json`, the file that says what a GILL checkpoint was trained with (protocol 1.7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gill_bench.cards.find import explain
from gill_bench.errors import InputError
from gill_bench.weights.checkpoints import read_json

FILE = "model_args.json"
Schema = TypeVar("Schema", bound=BaseModel)


class NamedParts(Protocol):
    """What the files of GILL and of FROMAGe both say: the frozen models, by hub id or folder."""

    @property
    def opt_version(self) -> str:
        """Language model."""

    @property
    def visual_encoder(self) -> str:
        """CLIP."""


class GillArguments(BaseModel):
    """What the harness needs of the file; everything else in it (freezing, dropout, token ids) changes nothing.

    Attributes:
        opt_version: Language model: hub id, or a folder, absolute or relative to the checkpoint.
        visual_encoder: CLIP: likewise.
        n_visual_tokens: Input embeddings per picture, k.
        ret_emb_dim: Width of the retrieval space, p.
        gen_emb_dim: Width of the generation head's output.
        num_tokens: [IMG] tokens, r. Older files say `num_gen_tokens` and `num_ret_tokens`, which are equal.
        num_clip_tokens: Conditioning vectors that the generation head gives.
        text_fc_mode: Generation head; the authors' code has only "gill_mapper" and "linear".
        ret_text_fc_mode: Retrieval head.
        text_emb_layers: Layers whose states the heads read; only the last is ever used.
        share_ret_gen: Whether retrieval and generation use the same tokens; always true.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    opt_version: str = Field(min_length=1)
    visual_encoder: str = Field(min_length=1)
    n_visual_tokens: int = Field(gt=0)
    ret_emb_dim: int = Field(gt=0)
    gen_emb_dim: int = Field(gt=0)
    num_tokens: int = Field(gt=0, validation_alias=AliasChoices("num_tokens", "num_gen_tokens", "num_ret_tokens"))
    num_clip_tokens: int = Field(gt=0)
    text_fc_mode: Literal["gill_mapper", "linear", "mlp", "encoder"]
    ret_text_fc_mode: Literal["linear"] = "linear"
    text_emb_layers: tuple[Literal[-1]] = (-1,)
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


def read_arguments(folder: Path) -> GillArguments:
    """Read a checkpoint's `model_args.json`.

    Raises:
        InputError: The file is missing, is not JSON, or a field is missing or not what GILL can be.
    """
    return read_as(GillArguments, folder)


def read_as(schema: type[Schema], folder: Path) -> Schema:
    """Read a checkpoint's `model_args.json` as a schema says.

    Raises:
        InputError: The file is missing, is not JSON, or does not fit the schema.
    """
    file = folder / FILE
    raw = read_json(file)
    try:
        return schema.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        message = first["msg"].removeprefix("Value error, ") if not first["loc"] else explain(error, schema)
        raise InputError(f"{file}: {message}") from error
