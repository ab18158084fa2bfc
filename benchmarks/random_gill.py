"""A GILL of any size with random weights, built in memory, for `benchmarks/gpu.py`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from gill_bench.models.gill.model import Gill
from gill_bench.models.gill.network import GillHeads
from gill_bench.models.gill.settings import Settings
from gill_bench.models.gill.sizes import GillSizes
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.loading import freeze
from gill_bench.models.interleaved.tokens import load_tokens
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.prompt import Prompt
from gill_bench.weights.embedded import weights_folder

IMAGE_TOKENS, VISUAL_TOKENS, RETRIEVAL_WIDTH = 8, 4, 256


@dataclass(frozen=True)
class Sizes:
    """Sizes of all networks, and the amounts that `benchmarks/gpu.py` measures.

    Attributes:
        llm, vision, unet, vae, text: Arguments of the networks' configuration classes.
        side: Width and height of the pictures that CLIP reads, in pixels.
        steps: Number of the sampler's steps.
        batches: Numbers of pictures per call.
        new_tokens: Number of tokens that each text is continued by.
        candidates: Number of candidate pictures of the search.
        stories: Number of the run's stories, five pictures each.
    """

    llm: dict[str, Any]
    vision: dict[str, Any]
    unet: dict[str, Any]
    vae: dict[str, Any]
    text: dict[str, Any]
    side: int
    steps: int
    batches: tuple[int, ...]
    new_tokens: int
    candidates: int
    stories: int


FULL = Sizes(
    llm={
        "vocab_size": 50272, "hidden_size": 4096, "word_embed_proj_dim": 4096, "ffn_dim": 16384,
        "num_hidden_layers": 32, "num_attention_heads": 32,
    },
    vision={
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
        "image_size": 224, "patch_size": 14,
    },
    unet={"sample_size": 64, "block_out_channels": (320, 640, 1280, 1280), "cross_attention_dim": 768,
          "attention_head_dim": 8},
    vae={
        "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "sample_size": 512,
        "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
    },
    text={
        "vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
        "num_attention_heads": 12, "projection_dim": 768,
    },
    side=224, steps=50, batches=(1, 5, 10, 20, 40), new_tokens=64, candidates=2_700_000, stories=8,
)  # fmt: skip
TINY = Sizes(
    llm={
        "vocab_size": 1024, "hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64,
        "num_hidden_layers": 2, "num_attention_heads": 4,
    },
    vision={
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "image_size": 32, "patch_size": 8,
    },
    unet={
        "sample_size": 8, "block_out_channels": (16, 32), "cross_attention_dim": 48, "attention_head_dim": 4,
        "layers_per_block": 1, "norm_num_groups": 8,
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    },
    vae={
        "block_out_channels": (8, 8), "layers_per_block": 1, "sample_size": 16, "norm_num_groups": 4,
        "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2,
    },
    text={
        "vocab_size": 2048, "hidden_size": 48, "intermediate_size": 96, "num_hidden_layers": 1,
        "num_attention_heads": 4, "projection_dim": 48,
    },
    side=32, steps=2, batches=(1, 2), new_tokens=4, candidates=5_000, stories=2,
)  # fmt: skip


def build(sizes: Sizes, dtype: torch.dtype, device: str, made_on: str | None = None) -> tuple[Gill, Any]:
    """Build a GILL with random weights, and return it with its OPT.

    Args:
        sizes: Sizes of the networks.
        dtype: Precision of all of them.
        device: Device on which the networks run.
        made_on: Device that draws the weights; None = `device`, in `dtype`, without a larger copy elsewhere.
    """
    from transformers import (
        CLIPImageProcessorPil,
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTokenizer,
        CLIPVisionConfig,
        CLIPVisionModel,
        OPTConfig,
        OPTForCausalLM,
    )

    diffusers: Any = import_module("diffusers")
    folder = weights_folder()
    tokens = load_tokens(folder / "opt-mini", IMAGE_TOKENS)
    width = sizes.unet["cross_attention_dim"]
    shape = GillSizes(
        sizes.llm["hidden_size"], sizes.vision["hidden_size"], IMAGE_TOKENS, VISUAL_TOKENS, RETRIEVAL_WIDTH, width
    )
    torch.manual_seed(0)
    with _defaults(torch.float32 if made_on else dtype, made_on or device):
        opt = OPTForCausalLM(OPTConfig(**sizes.llm, max_position_embeddings=2048, dropout=0.0))
        vision = CLIPVisionModel(CLIPVisionConfig(**sizes.vision))
        heads = GillHeads(shape)
        for parameter in (heads.logit_scale, *(p for n, p in heads.named_parameters() if n.endswith("query_embs"))):
            nn.init.normal_(parameter, std=0.02)
        unet = diffusers.UNet2DConditionModel(in_channels=4, out_channels=4, **sizes.unet)
        vae = diffusers.AutoencoderKL(in_channels=3, out_channels=3, latent_channels=4, **sizes.vae)
        text = CLIPTextModel(CLIPTextConfig(**sizes.text, bos_token_id=0, eos_token_id=1, pad_token_id=1))
    networks: tuple[Any, ...] = (opt, vision, heads, unet, vae, text)
    for network in networks:
        freeze(network.to(device, dtype))
    pipeline = diffusers.StableDiffusionPipeline(
        vae=vae,
        text_encoder=text,
        tokenizer=CLIPTokenizer.from_pretrained(folder / "sd-mini" / "tokenizer"),
        unet=unet,
        scheduler=diffusers.PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    if torch.device(device).type != "cpu":
        vae.enable_slicing()
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": sizes.side}, crop_size={"height": sizes.side, "width": sizes.side}
    )
    language = LanguageModel(opt, tokens.size, heads.input_embeddings.weight)
    encoder = VisualEncoder(vision, processor, sizes.side)
    settings = Settings(num_inference_steps=sizes.steps, squash_size=sizes.side)
    gill = Gill(tokens, language, encoder, heads, settings, context=77, decision=None, pipeline=pipeline)
    return gill, opt


@contextmanager
def _defaults(dtype: torch.dtype, device: str) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)


def prompts_of(count: int) -> list[Prompt]:
    """Return prompts of five captions and four pictures, as in the paper's Table 1."""
    rng = np.random.default_rng(0)
    prompts = []
    for number in range(count):
        parts: list[str | Image.Image] = []
        for turn in range(4):
            parts += [f"a large red circle is at the left , {number} {turn} .", Image.fromarray(_noise(rng))]
        prompts.append(Prompt((*parts, "it moves to the middle .")))
    return prompts


def _noise(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
