"""`model_args.json` of a GILL or FROMAGe checkpoint: reading the file, and finding the models that it names."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gill_bench.cards.find import explain
from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json
from gill_bench.weights.hub import hub_folder

FILE = "model_args.json"
Schema = TypeVar("Schema", bound=BaseModel)


class ReaderArguments(BaseModel):
    """The fields that GILL's and FROMAGe's files share.

    Attributes:
        opt_version: The language model: a hub id, or a folder, absolute or relative to the checkpoint.
        visual_encoder: The CLIP that sees the pictures, named in the same way.
        n_visual_tokens: Input embeddings per picture, k.
        text_emb_layers: Layers of the language model whose states the heads read; only the last is ever used.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    opt_version: str = Field(min_length=1)
    visual_encoder: str = Field(min_length=1)
    n_visual_tokens: int = Field(gt=0)
    text_emb_layers: tuple[Literal[-1]] = (-1,)


def read_model_args(folder: Path, schema: type[Schema]) -> Schema:
    """Read a checkpoint's `model_args.json`.

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


def find_folder(name: Path | str, checkpoint: Path) -> Path:
    """The folder of a model that a user or a checkpoint names.

    Args:
        name: A folder, absolute, relative to the working directory or relative to the checkpoint; or a hub id.
        checkpoint: Folder of the checkpoint.

    Raises:
        InputError: The name is neither a folder nor a hub id that can be downloaded.
    """
    for folder in (Path(name), checkpoint / name):
        if folder.is_dir():
            return folder
    if isinstance(name, Path) or name.count("/") != 1 or name.startswith((".", "/")):
        raise InputError(f"{name}: no such folder, neither here nor beside {checkpoint}")
    return hub_folder(name)


def named_folders(
    checkpoint: Path, arguments: ReaderArguments, llm: Path | str | None, visual_encoder: Path | str | None
) -> dict[str, Path]:
    """The folders of checkpoint, language model and visual encoder, by component.

    A model that is None is the one that the arguments name; names are those of `find_folder`.
    """
    return {
        "checkpoint": checkpoint,
        "llm": find_folder(llm or arguments.opt_version, checkpoint),
        "visual_encoder": find_folder(visual_encoder or arguments.visual_encoder, checkpoint),
    }
