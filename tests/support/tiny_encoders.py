"""Tiny encoders of pictures, and of pictures and texts, with random weights in the published layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.support.tiny_vision_language import SIDE, VISION, hf, tokenizer

_TEXT = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
_SIZE = {"height": SIDE, "width": SIDE}


def _words(length: int, **kinds: Any) -> Any:
    words = tokenizer()
    words.model_max_length = length
    words.padding_side = "right"
    return words


def _siglip() -> tuple[Any, Any]:
    words = _words(64)
    words.model_input_names = ["input_ids"]
    text = {**_TEXT, "vocab_size": len(words), "projection_size": 16}
    config = hf.SiglipConfig(text_config=text, vision_config=VISION)
    return hf.SiglipModel(config), hf.SiglipProcessor(hf.SiglipImageProcessor(size=_SIZE), words)


def _siglip2() -> tuple[Any, Any]:
    words = _words(64)
    words.model_input_names = ["input_ids"]
    text = {**_TEXT, "vocab_size": len(words), "projection_size": 16}
    vision = {**{key: VISION[key] for key in VISION if key != "image_size"}, "num_patches": 16}
    images = hf.Siglip2ImageProcessor(patch_size=14, max_num_patches=16)
    return hf.Siglip2Model(hf.Siglip2Config(text_config=text, vision_config=vision)), hf.Siglip2Processor(images, words)


def _altclip() -> tuple[Any, Any]:
    words = _words(10**9)
    text = {**_TEXT, "vocab_size": len(words), "max_position_embeddings": 42, "project_dim": 16, "pad_token_id": 0}
    config = hf.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)
    images = hf.CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=_SIZE)
    return hf.AltCLIPModel(config), hf.AltCLIPProcessor(images, words)


def _dinov2() -> tuple[Any, Any]:
    config = hf.Dinov2Config(**{key: VISION[key] for key in VISION if key != "intermediate_size"})
    return hf.Dinov2Model(config), hf.BitImageProcessor(size={"shortest_edge": SIDE}, crop_size=_SIZE)


def _dinov3() -> tuple[Any, Any]:
    return hf.DINOv3ViTModel(hf.DINOv3ViTConfig(**VISION, num_register_tokens=2)), hf.DINOv3ViTImageProcessor(
        size=_SIZE
    )


TWO_TOWERS: dict[str, Callable[[], tuple[Any, Any]]] = {"siglip": _siglip, "siglip2": _siglip2, "altclip": _altclip}
PICTURES: dict[str, Callable[[], tuple[Any, Any]]] = {"dinov2": _dinov2, "dinov3": _dinov3}


def write_encoder(name: str, folder: Path) -> Path:
    """Write the encoder of a name in `TWO_TOWERS` or `PICTURES`."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, processor = {**TWO_TOWERS, **PICTURES}[name]()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.data.normal_(0, 2 * parameter[0].numel() ** -0.5)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
