"""Sizes of the language model, the visual encoder and the image decoder, read from their JSON files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from gill_bench.errors import InputError
from gill_bench.storage.reading import read_json

KNOWN_WIDTHS = {
    # Widths of published models by hub id, to tell a model from the one of another size that a checkpoint names: for
    # OPT the width of the embedding table (word_embed_proj_dim), for CLIP that of the vision tower.
    "facebook/opt-125m": 768,
    "facebook/opt-350m": 512,
    "facebook/opt-1.3b": 2048,
    "facebook/opt-2.7b": 2560,
    "facebook/opt-6.7b": 4096,
    "facebook/opt-13b": 5120,
    "facebook/opt-30b": 7168,
    "facebook/opt-66b": 9216,
    "openai/clip-vit-base-patch16": 768,
    "openai/clip-vit-base-patch32": 768,
    "openai/clip-vit-large-patch14": 1024,
    "openai/clip-vit-large-patch14-336": 1024,
}
CONTEXT = 77  # vectors of the conditioning in SD v1.x: the context of CLIP's text encoder


class LanguageSizes(NamedTuple):
    """Sizes of an OPT.

    Attributes:
        width: Width of the embedding table and of the states that the LM head reads, e.
        positions: Length of the longest sequence that the model reads.
    """

    width: int
    positions: int


class DecoderSizes(NamedTuple):
    """Sizes of a Stable Diffusion's conditioning.

    Attributes:
        width: Width of one conditioning vector.
        context: Number of conditioning vectors.
    """

    width: int
    context: int


def language_sizes(folder: Path) -> LanguageSizes:
    """Read the sizes of a language model; one that is no OPT is an `InputError`.

    Raises:
        InputError: The folder does not hold an OPT.
    """
    config = _config(folder, "config.json")
    if config.get("model_type") != "opt":
        raise InputError(
            f"{folder / 'config.json'}: model_type = {config.get('model_type')!r}, expected 'opt', as of GILL's LLM"
        )
    # Where a file leaves a key out, transformers' OPTConfig has these defaults.
    hidden = _integer(folder / "config.json", config, "hidden_size", 768)
    width = _integer(folder / "config.json", config, "word_embed_proj_dim", hidden)
    return LanguageSizes(width, _integer(folder / "config.json", config, "max_position_embeddings", 2048))


def vision_width(folder: Path) -> int:
    """Width of the pooled features of a CLIP vision tower, before the projection; no other encoder has one.

    Raises:
        InputError: The folder does not hold a CLIP or its vision tower.
    """
    config = _config(folder, "config.json")
    kind = config.get("model_type")
    if kind == "clip":
        config = config.get("vision_config") or {}
    elif kind != "clip_vision_model":
        raise InputError(f"{folder / 'config.json'}: model_type = {kind!r}, expected 'clip' or 'clip_vision_model'")
    return _integer(folder / "config.json", config, "hidden_size", 768)


def decoder_sizes(folder: Path) -> DecoderSizes:
    """Read the sizes of the conditioning of a Stable Diffusion pipeline; no other pipeline has any.

    Raises:
        InputError: The folder does not hold such a pipeline.
    """
    file = folder / "unet" / "config.json"
    width = _config(folder, "unet/config.json").get("cross_attention_dim")
    if isinstance(width, list) and width:
        width = width[0]
    if not isinstance(width, int):
        raise InputError(f"{file}: cross_attention_dim = {width!r}, expected an integer")
    text = _config(folder, "text_encoder/config.json")
    return DecoderSizes(width, _integer(folder / "text_encoder/config.json", text, "max_position_embeddings", CONTEXT))


def expected_width(name: str, checkpoint: Path) -> int | None:
    """Width of the model that a checkpoint names, or None where it cannot be known.

    Args:
        name: Hub id, or a folder, absolute or relative to the checkpoint.
        checkpoint: Folder of the checkpoint.
    """
    if name in KNOWN_WIDTHS:
        return KNOWN_WIDTHS[name]
    folder = checkpoint / name
    if not (folder / "config.json").is_file():
        return None
    if read_json(folder / "config.json").get("model_type") == "opt":
        return language_sizes(folder).width
    return vision_width(folder)


def _config(folder: Path, name: str) -> dict[str, Any]:
    if not folder.is_dir():
        problem = "a file, expected a folder with" if folder.is_file() else "no such folder; expected one with"
        raise InputError(f"{folder}: {problem} {name}")
    return read_json(folder / name)


def _integer(file: Path, config: dict[str, Any], key: str, default: int) -> int:
    value = config.get(key, default)
    if not isinstance(value, int) or value <= 0:
        raise InputError(f"{file}: {key} = {value!r}, expected a positive integer")
    return value
