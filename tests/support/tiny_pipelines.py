"""Tiny pipelines with random weights, in the layout of the published ones."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

# Their lazy modules have types that a checker cannot follow.
diffusers: Any = import_module("diffusers")
StableDiffusionSafetyChecker: Any = import_module("diffusers.pipelines.stable_diffusion").StableDiffusionSafetyChecker

LENGTH = 12
WORDS = ["a", "dog", "cat", "runs", "on", "the", "beach", "red", "blue", "sky", "tree", "house", "two", "three", "."]


def tokenizer() -> CLIPTokenizer:
    """Make CLIP's tokenizer with a token for each word of WORDS; other text is split into letters."""
    letters = "abcdefghijklmnopqrstuvwxyz.,?!'0123456789"
    tokens = [*letters, *(letter + "</w>" for letter in letters)]
    merges: Any = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pair = (parts[0], parts[1])
            if pair not in merges:
                merges.append(pair)
            parts = [pair[0] + pair[1], *parts[2:]]
            if parts[0] not in tokens:
                tokens.append(parts[0])
    vocabulary = {token: index for index, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=LENGTH)


def _spread(module: torch.nn.Module, factor: float = 3.0) -> None:
    """Make a random network sensitive to its input: as it comes, all inputs give nearly the same output."""
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.ndim > 1 and "norm" not in name:
                parameter.mul_(factor)


def _text_config(words: CLIPTokenizer, width: int = 16) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        projection_dim=width,
    )


def _vae() -> Any:
    return diffusers.AutoencoderKL(
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )


def write_stable_diffusion(folder: Path, *, safety_checker: bool = True, seed: int = 0) -> Path:
    """Write a Stable Diffusion pipeline of 16 x 16 pixels; its safety checker flags nothing."""
    torch.manual_seed(seed)
    words = tokenizer()
    text = CLIPTextModel(_text_config(words))
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        cross_attention_dim=16,
        attention_head_dim=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    _spread(text)
    _spread(unet, 1.5)
    checker = None
    processor = None
    if safety_checker:
        vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
        config = CLIPConfig(vision_config={**vision, "image_size": 16, "patch_size": 8}, projection_dim=8)
        checker = StableDiffusionSafetyChecker(config)
        for weights in (checker.concept_embeds_weights, checker.special_care_embeds_weights):
            torch.nn.init.constant_(weights, 2.0)
        processor = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    pipeline = diffusers.StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=text,
        tokenizer=words,
        unet=unet,
        scheduler=diffusers.PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
        ),
        safety_checker=checker,
        feature_extractor=processor,
        requires_safety_checker=safety_checker,
    )
    pipeline.save_pretrained(folder)
    return folder


def write_stable_diffusion_xl(folder: Path, seed: int = 0) -> Path:
    """Write a Stable Diffusion XL pipeline of 16 x 16 pixels."""
    torch.manual_seed(seed)
    words = tokenizer()
    config = _text_config(words)
    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=4,
        transformer_layers_per_block=1,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=6 * 4 + 16,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    pipeline = diffusers.StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(config),
        text_encoder_2=CLIPTextModelWithProjection(config),
        tokenizer=words,
        tokenizer_2=words,
        unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1),
        add_watermarker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def edit_json(file: Path, **changes: object) -> None:
    """Change keys of a JSON file."""
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def counted(function: Any, calls: list[Any]) -> Any:
    """Wrap a function, so that its first argument is appended to `calls`."""

    def call(*arguments: Any, **options: Any) -> Any:
        calls.append(arguments[0] if arguments else None)
        return function(*arguments, **options)

    return call
