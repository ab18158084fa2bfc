from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from transformers import CLIPImageProcessorPil, CLIPModel

from gill_bench.errors import InputError
from gill_bench.metrics.backbones.clip_vision import load_clip_vision
from tests.support.backbones import pictures, write_clip


@pytest.mark.parametrize(("features", "dim"), [("projected", 16), ("pooled", 32)])
def test_features_are_those_of_the_whole_clip(
    tmp_path: Path, features: Literal["projected", "pooled"], dim: int
) -> None:
    folder = write_clip(tmp_path / "clip")
    extractor = load_clip_vision(folder, features=features)
    images = pictures(7)
    model, processor = CLIPModel.from_pretrained(folder), CLIPImageProcessorPil.from_pretrained(folder)
    with torch.no_grad():
        pixels = processor(images=images, return_tensors="pt")["pixel_values"]
        expected = model.vision_model(pixels).pooler_output
        if features == "projected":
            expected = model.visual_projection(expected)
    vectors = extractor(images)
    assert (extractor.name, extractor.dim) == (f"clip-vision-{features}", dim)
    assert vectors.shape == (7, dim)
    assert vectors.dtype == np.float32
    assert vectors == pytest.approx(expected.numpy(), rel=1e-4, abs=1e-5)


def test_features_of_the_embedded_tower_differ_between_pictures(mini_weights: Path) -> None:
    extractor = load_clip_vision(mini_weights / "clip-mini")
    features = extractor(pictures(5))
    assert features.shape == (5, extractor.dim) == (5, 64)
    assert features.std(axis=0).max() > 0.01


def test_damaged_weights_are_refused(tmp_path: Path) -> None:
    folder = write_clip(tmp_path / "clip")
    (folder / "model.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="cannot be loaded"):
        load_clip_vision(folder)
