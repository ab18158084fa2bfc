"""What can be known before the large weights load: files, arguments, and whether all sizes fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.models.diffusers.folder import check_pipeline_folder
from gill_bench.models.gill.arguments import FILE, NamedParts, read_arguments
from gill_bench.models.interleaved.configs import decoder_sizes, expected_width, language_sizes, vision_width
from gill_bench.weights.checkpoints import check_image_processor, check_network_files

COMPONENTS = ("checkpoint", "llm", "visual_encoder")


def check_weights(weights: Mapping[str, Path], *, safety_checker: bool) -> None:
    """Check the files of all components; reads JSON files and the small checkpoint.

    Args:
        weights: Local folder by component.
        safety_checker: Whether the image decoder's will be loaded.

    Raises:
        InputError: Names file, and field or key.
    """
    checkpoint, llm, encoder = components(weights, "GILL has image_decoder too")
    # First what takes no time: torch is imported only by the checkpoint's own reader.
    arguments = read_arguments(checkpoint)
    check_widths(arguments, checkpoint, llm, encoder)
    check_language_files(llm)
    check_visual_files(encoder)
    decoder = weights.get("image_decoder")
    if decoder is not None:
        check_pipeline_folder(decoder, safety_checker=safety_checker)
    sizes = decoder_sizes(decoder) if decoder is not None else None

    from gill_bench.models.gill.checkpoint import (
        account,
        check_decoder_fits,
        empty_heads,
        find_checkpoint,
        read_tensors,
        sizes_of,
    )
    from gill_bench.models.gill.decision import FILE as DECISION_FILE
    from gill_bench.models.gill.decision import read_decision

    width = language_sizes(llm).width
    file = find_checkpoint(checkpoint)
    state = read_tensors(file)
    heads = empty_heads(file, state, sizes_of(arguments, width, vision_width(encoder)))
    account(file, state, heads)
    if decoder is not None and sizes is not None:
        check_decoder_fits(file, heads, sizes.width, sizes.context, decoder)
    if (checkpoint / DECISION_FILE).is_file():
        read_decision(checkpoint / DECISION_FILE, width)


def components(weights: Mapping[str, Path], note: str = "") -> tuple[Path, Path, Path]:
    """The folders of checkpoint, language model and visual encoder.

    Raises:
        InputError: One is not given.
    """
    for name in COMPONENTS:
        if name not in weights:
            expected = ", ".join(COMPONENTS) + (f"; {note}" if note else "")
            raise InputError(f"weights: component {name!r} is missing; expected {expected}")
    checkpoint, llm, encoder = (weights[name] for name in COMPONENTS)
    return checkpoint, llm, encoder


def check_widths(arguments: NamedParts, checkpoint: Path, llm: Path, encoder: Path) -> None:
    """Check that the models given have the widths of those that the checkpoint was trained with.

    Raises:
        InputError: Names `model_args.json` and the field.
    """
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
    """Check that an OPT folder has a tokenizer and whole weights.

    Raises:
        InputError: Names the file.
    """
    if not any((folder / name).is_file() for name in ("vocab.json", "tokenizer.json")):
        raise InputError(f"{folder}: has no vocab.json or tokenizer.json")
    check_network_files(folder, "transformers")
    if not any((folder / name).is_file() for name in ("merges.txt", "tokenizer.json")):
        raise InputError(f"{folder}: has no merges.txt, without which vocab.json is no tokenizer")


def check_visual_files(folder: Path) -> None:
    """Check that a CLIP folder has an image processor and whole weights.

    Raises:
        InputError: Names the file.
    """
    check_image_processor(folder)
    check_network_files(folder, "transformers")
