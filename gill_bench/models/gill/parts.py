"""The parts of GILL: found, loaded, checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gill_bench.errors import InputError
from gill_bench.models.diffusers.pipelines import load_pipeline, resolve_dtype
from gill_bench.models.gill.arguments import read_arguments
from gill_bench.models.gill.checkpoint import account, empty_heads, fill_heads, find_checkpoint, read_tensors, sizes_of
from gill_bench.models.gill.decision import FILE as DECISION_FILE
from gill_bench.models.gill.decision import DecisionModel, read_decision
from gill_bench.models.gill.network import GillHeads
from gill_bench.models.interleaved.checking import check_weights
from gill_bench.models.interleaved.configs import CONTEXT, decoder_sizes, language_sizes, vision_width
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.loading import freeze
from gill_bench.models.interleaved.settings import Settings
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokens
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.weights.hub import hub_folder

if TYPE_CHECKING:
    from gill_bench.models.diffusers.pipelines import Pipeline


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that is loaded.

    Attributes:
        context: Conditioning vectors that the image decoder reads, L.
        decision: None where the checkpoint has none.
        pipeline: None where no image decoder was given.
    """

    tokens: LanguageTokens
    language: LanguageModel
    vision: VisualEncoder
    heads: GillHeads
    context: int
    decision: DecisionModel | None
    pipeline: Pipeline | None


def load_parts(weights: Mapping[str, Path], settings: Settings, device: str) -> Parts:
    """Load all parts onto a device, the small ones first.

    Raises:
        InputError: Damaged, or not fitting together; names file and key.
    """
    check_weights(weights, safety_checker=settings.safety_checker)
    dtype = resolve_dtype(settings.dtype, device, torch.bfloat16)
    checkpoint, llm, encoder = weights["checkpoint"], weights["llm"], weights["visual_encoder"]
    arguments = read_arguments(checkpoint)
    tokens = load_tokens(llm, arguments.num_tokens)
    width = language_sizes(llm).width
    file = find_checkpoint(checkpoint)
    state = read_tensors(file)
    heads = empty_heads(file, state, sizes_of(arguments, width, vision_width(encoder)))
    account(file, state, heads, table_rows=tokens.size)
    fill_heads(file, heads, state, dtype)
    freeze(heads).to(device)
    decision = None
    if (checkpoint / DECISION_FILE).is_file():
        # A child of the model in the authors' code, hence of its precision (protocol 1.8).
        weight, bias = read_decision(checkpoint / DECISION_FILE, width)
        decision = DecisionModel(weight.to(device, dtype), bias.to(device, dtype))
    squash_size = settings.squash_size if settings.input_resize == "squash" else 0
    decoder = weights.get("image_decoder")
    pipeline = None
    context = max(CONTEXT, heads.sizes.num_clip_tokens)
    if decoder is not None:
        context = decoder_sizes(decoder).context
        pipeline = load_pipeline(
            decoder,
            dtype=resolve_dtype(settings.image_decoder_dtype, device, torch.float16),
            device=device,
            scheduler=settings.scheduler,
            safety_checker=settings.safety_checker,
        )
    return Parts(
        tokens,
        LanguageModel.load(llm, dtype, device, tokens.size, heads.input_embeddings.weight),
        VisualEncoder.load(encoder, dtype, device, squash_size),
        heads,
        context,
        decision,
        pipeline,
    )


def resolve(
    checkpoint: Path, llm: Path | str | None, visual_encoder: Path | str | None, image_decoder: Path | str | None
) -> dict[str, Path]:
    """Find the folders of all components.

    Args:
        checkpoint: Folder of GILL's own files.
        llm: Folder or hub id; None = what `model_args.json` names.
        visual_encoder: Likewise.
        image_decoder: Folder or hub id; None = none.

    Raises:
        InputError: Neither a folder nor a hub id that can be downloaded.
    """
    arguments = read_arguments(checkpoint)
    found = {
        "checkpoint": checkpoint,
        "llm": find_folder(llm or arguments.opt_version, checkpoint),
        "visual_encoder": find_folder(visual_encoder or arguments.visual_encoder, checkpoint),
    }
    return found if image_decoder is None else {**found, "image_decoder": find_folder(image_decoder, checkpoint)}


def find_folder(name: Path | str, checkpoint: Path) -> Path:
    """A folder as given, else relative to the checkpoint, else the hub's.

    Raises:
        InputError: Neither a folder nor a hub id that can be downloaded.
    """
    for folder in (Path(name), checkpoint / name):
        if folder.is_dir():
            return folder
    if isinstance(name, Path) or name.count("/") != 1 or name.startswith((".", "/")):
        raise InputError(f"{name}: no such folder, neither here nor beside {checkpoint}")
    return hub_folder(name)
