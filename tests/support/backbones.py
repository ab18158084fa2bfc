"""Small backbones with random weights, and made-up pictures, for the tests of metrics."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import lpips
import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel


def write_clip(folder: Path, seed: int = 0, side: int = 32) -> Path:
    """Write a small CLIP with both towers; it reads `side` x `side` pixels, and its cosines are about 0.6 to 1."""
    torch.manual_seed(seed)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = CLIPConfig(
        vision_config={**small, "image_size": side, "patch_size": side // 4},
        text_config={**small, "vocab_size": 30, "bos_token_id": 0, "eos_token_id": 1},
        projection_dim=16,
    )
    model = CLIPModel(config)
    with torch.no_grad():
        for name, parameter in model.vision_model.named_parameters():
            if parameter.ndim > 1:
                parameter.mul_(4.0 if "patch_embedding" in name else 2.5)
    model.save_pretrained(folder)
    crop = {"height": side, "width": side}
    CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size=crop).save_pretrained(folder)
    return folder


def alex_state(seed: int = 0) -> dict[str, torch.Tensor]:
    """Make a state dict of torchvision's AlexNet, with random convolutions and a small stand-in for the classifier."""
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
    """Write the state of `alex_state` into a file."""
    torch.save(alex_state(seed), file)
    return file


def lpips_of_the_package() -> Any:
    """Build `lpips.LPIPS` with the trunk of `alex_state`."""
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pretrained.*|.*weight enum.*", category=UserWarning)
        model = lpips.LPIPS(net="alex", version="0.1", pnet_rand=True, verbose=False)
    slices = {0: "slice1.0", 3: "slice2.3", 6: "slice3.6", 8: "slice4.8", 10: "slice5.10"}
    state = {
        f"{slices[int(key.split('.')[1])]}.{key.split('.')[2]}": value
        for key, value in alex_state().items()
        if key.startswith("features")
    }
    model.net.load_state_dict(state)
    return model


def squash(image: Image.Image, size: int) -> torch.Tensor:
    """Squash a picture to (1, 3, size, size) in -1..1, as the authors' script does for `lpips.LPIPS`."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1
    bilinear = functional.InterpolationMode.BILINEAR
    resized: torch.Tensor = functional.resize(pixels, [size, size], interpolation=bilinear, antialias=True)
    return resized


def pictures(count: int, seed: int = 0) -> list[Image.Image]:
    """Make smooth pictures of different sizes and shapes from a seed."""
    rng = np.random.default_rng(seed)
    sizes = [(64, 64), (96, 70), (70, 96), (120, 40), (33, 47)]
    images = []
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        images.append(coarse.resize(sizes[index % len(sizes)], Image.Resampling.BICUBIC))
    return images
