"""The parts of GILL, loaded and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from gill_bench.models.diffusers.pipelines import load_pipeline
from gill_bench.models.gill.checking import check_files
from gill_bench.models.gill.checkpoint import read_checkpoint
from gill_bench.models.gill.decision import DecisionModel
from gill_bench.models.gill.network import GillHeads
from gill_bench.models.gill.settings import Settings
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.loading import freeze
from gill_bench.models.interleaved.network_sizes import CONTEXT, decoder_sizes
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokens
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.models.precision import resolve_dtype

if TYPE_CHECKING:
    from gill_bench.models.diffusers.pipelines import Pipeline


@dataclass(frozen=True, slots=True)
class Parts:
    """The networks and the tokenizer of a GILL.

    Attributes:
        tokens: OPT's tokenizer with the [IMG] tokens.
        language: The frozen OPT.
        vision: The frozen CLIP tower.
        heads: The trained network.
        context: Conditioning vectors that the image decoder reads, L.
        decision: The classifier; None where the checkpoint has none.
        pipeline: The image decoder; None where none was given.
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
        InputError: The weights are damaged or do not fit together; names file and key.
    """
    arguments = check_files(weights, safety_checker=settings.safety_checker)
    dtype = resolve_dtype(settings.dtype, device, torch.bfloat16)
    tokens = load_tokens(weights["llm"], arguments.num_tokens)
    checkpoint = read_checkpoint(weights, arguments, table_rows=tokens.size)
    heads = checkpoint.fill(dtype)
    freeze(heads).to(device)
    # The classifier is a child of the model in the authors' code, hence of its precision (protocol 1.8).
    decision = checkpoint.decision and DecisionModel(*(tensor.to(device, dtype) for tensor in checkpoint.decision))
    pipeline = None
    context = max(CONTEXT, heads.sizes.num_clip_tokens)
    if "image_decoder" in weights:
        context = decoder_sizes(weights["image_decoder"]).context
        pipeline = load_pipeline(
            weights["image_decoder"],
            dtype=resolve_dtype(settings.image_decoder_dtype, device, torch.float16),
            device=device,
            scheduler=settings.scheduler,
            safety_checker=settings.safety_checker,
        )
    squash_size = settings.squash_size if settings.input_resize == "squash" else 0
    return Parts(
        tokens,
        LanguageModel.load(weights["llm"], dtype, device, tokens.size, heads.input_embeddings.weight),
        VisualEncoder.load(weights["visual_encoder"], dtype, device, squash_size),
        heads,
        context,
        decision,
        pipeline,
    )
