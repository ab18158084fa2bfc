"""Small backbones with random weights, and pictures, for the tests of metrics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel


def write_clip(folder: Path, seed: int = 0) -> Path:
    """A whole CLIP with a vision tower of 32 x 32 pixels, whose cosines spread over some 0.6..1.0."""
    torch.manual_seed(seed)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        vision_config={**small, "image_size": 32, "patch_size": 8},
        text_config={**small, "vocab_size": 30, "bos_token_id": 0, "eos_token_id": 1},
        projection_dim=16,
    )
    model = CLIPModel(config)
    with torch.no_grad():
        for name, parameter in model.vision_model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0 if "patch_embedding" in name else 2.5)
    model.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def alex_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """A state dict like torchvision's, with random convolutions and a small stand-in for the classifier."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    shapes = {0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3)}
    for index, shape in shapes.items():
        scale = (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        state[f"features.{index}.weight"] = scale * torch.randn(shape, generator=generator)
        state[f"features.{index}.bias"] = 0.1 * torch.randn(shape[0], generator=generator)
    for index in (1, 4, 6):
        state[f"classifier.{index}.weight"] = torch.zeros(2, 2)
        state[f"classifier.{index}.bias"] = torch.zeros(2)
    return state


def write_alex(file: Path, seed: int = 0) -> Path:
    """The same as a file."""
    torch.save(alex_state(seed), file)
    return file


def pictures(count: int, seed: int = 0) -> list[Image.Image]:
    """Smooth pictures of different sizes and shapes."""
    rng = np.random.default_rng(seed)
    sizes = [(64, 64), (96, 70), (70, 96), (120, 40), (33, 47)]
    made = []
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        made.append(coarse.resize(sizes[index % len(sizes)], Image.Resampling.BICUBIC))
    return made
