"""The size of pictures that nobody set: the pipeline's own, worked out from its class and the configs of its parts."""

from __future__ import annotations

import re

from gill_bench.models.any_pipeline.pipeline_class import PipelineClass

_USUAL = 1024
"""The side of pictures, in pixels, for a pipeline whose default cannot be told from its class and configs."""
_LEVELS = ("block_out_channels", "encoder_block_out_channels")


def default_size(pipeline: PipelineClass) -> dict[str, int]:
    """Height and width in pixels, by the name of the argument; empty for a class that takes no size."""
    size = _native(pipeline)
    sizes = {"height": size[0], "width": size[1]}
    defaults = pipeline.defaults
    return {
        name: defaults[name] if isinstance(defaults[name], int) else side
        for name, side in sizes.items()
        if name in defaults
    }


def _native(pipeline: PipelineClass) -> tuple[int, int]:
    source = pipeline.source
    if "self.default_sample_size" in source:
        latents = pipeline.index.get("default_sample_size") or _sample_size_in(pipeline)
    else:
        network = re.search(r"self\.(unet|transformer)\.config\.sample_size", source)
        latents = pipeline.config(network[1]).get("sample_size") if network else None
    if latents is None:
        number = re.search(r"height or (\d+)", source)
        return (int(number[1]),) * 2 if number else (_USUAL, _USUAL)
    scale = vae_scale(pipeline) if "self.vae_scale_factor" in source else 1
    height, width = (latents, latents) if isinstance(latents, int) else latents
    return int(height) * scale, int(width) * scale


def _sample_size_in(pipeline: PipelineClass) -> int | None:
    """The side in latents that the constructor chooses: a number, or the network's with a number as fallback."""
    assignment = re.search(r"self\.default_sample_size\s*=\s*(\([^)]*?\)[^)\n]*|[^\n]*)", pipeline.source)
    text = assignment[1] if assignment else ""
    network = re.search(r"self\.(unet|transformer)\.config\.sample_size", pipeline.source)
    configured = pipeline.config(network[1]).get("sample_size") if network else None
    if "sample_size" in text and isinstance(configured, int):
        return configured
    number = re.search(r"\b(\d+)\b(?!.*\b\d+\b)", text.partition("#")[0], re.DOTALL)
    return int(number[1]) if number else configured


def vae_scale(pipeline: PipelineClass) -> int:
    """Pixels a latent, on a side: two to the power of the times that the encoder halves a picture; 8 if unknown."""
    config = pipeline.config("vae") or pipeline.config("vqvae") or pipeline.config("movq")
    for key in _LEVELS:
        if isinstance(config.get(key), list):
            return int(2 ** (len(config[key]) - 1))
    halvings = config.get("temperal_downsample") or config.get("temporal_downsample")
    return int(2 ** len(halvings)) if isinstance(halvings, list) else 8
