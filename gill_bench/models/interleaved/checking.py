"""Checks before any large weights load: whether files are whole, and whether models fit together by their sizes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from gill_bench.errors import InputError
from gill_bench.models.interleaved.model_args import FILE, ReaderArguments, read_model_args
from gill_bench.models.interleaved.network_sizes import expected_width, language_sizes, vision_width
from gill_bench.weights.checkpoints import check_image_processor, check_network_files

COMPONENTS = ("checkpoint", "llm", "visual_encoder")
Schema = TypeVar("Schema", bound=ReaderArguments)


def check_reader_files(weights: Mapping[str, Path], schema: type[Schema], note: str = "") -> Schema:
    """Check the files of a model that reads prompts through OPT and CLIP; torch is not imported.

    Returns:
        The content of `model_args.json`.

    Raises:
        InputError: Names the component that is not given, or the file, and the field in it.
    """
    for name in COMPONENTS:
        if name not in weights:
            expected = ", ".join(COMPONENTS) + (f"; {note}" if note else "")
            raise InputError(f"weights: component {name!r} is missing; expected {expected}")
    arguments = read_model_args(weights["checkpoint"], schema)
    _check_widths(arguments, weights)
    check_language_files(weights["llm"])
    check_visual_files(weights["visual_encoder"])
    return arguments


def _check_widths(arguments: ReaderArguments, weights: Mapping[str, Path]) -> None:
    """Check that the models given have the widths of those that the checkpoint was trained with."""
    checkpoint, llm, encoder = (weights[name] for name in COMPONENTS)
    pairs = (
        ("opt_version", arguments.opt_version, llm, language_sizes(llm).width),
        ("visual_encoder", arguments.visual_encoder, encoder, vision_width(encoder)),
    )
    for field, name, folder, width in pairs:
        expected = expected_width(name, checkpoint)
        if expected is not None and expected != width:
            raise InputError(
                f"{checkpoint / FILE}: {field} = {name!r}, a model of width {expected}, but {folder} is of width"
                f" {width}; give the model that the checkpoint was trained with"
            )


def check_language_files(folder: Path) -> None:
    """Check that the folder of an OPT, or of a whole CLIP, has a tokenizer and whole weights.

    Raises:
        InputError: Names the file that is missing, empty or cut off.
    """
    if not any((folder / name).is_file() for name in ("vocab.json", "tokenizer.json")):
        raise InputError(f"{folder}: has no vocab.json or tokenizer.json")
    check_network_files(folder, "transformers")
    if not any((folder / name).is_file() for name in ("merges.txt", "tokenizer.json")):
        raise InputError(f"{folder}: has no merges.txt, without which vocab.json is no tokenizer")


def check_visual_files(folder: Path) -> None:
    """Check that a CLIP folder has an image processor and whole weights."""
    check_image_processor(folder)
    check_network_files(folder, "transformers")
