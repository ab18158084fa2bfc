"""The adapter loads the same network from every layout in which a pipeline is published."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file

from tests.models.any_pipeline.conftest import load, paint

NAME = "diffusion_pytorch_model"


def as_bin(pipeline: Path) -> None:
    unet = pipeline / "unet"
    torch.save(load_file(unet / f"{NAME}.safetensors"), unet / f"{NAME}.bin")
    (unet / f"{NAME}.safetensors").unlink()


def as_variant(pipeline: Path) -> None:
    unet = pipeline / "unet"
    (unet / f"{NAME}.safetensors").rename(unet / f"{NAME}.fp16.safetensors")


def as_shards(pipeline: Path) -> None:
    unet = pipeline / "unet"
    network = UNet2DConditionModel.from_pretrained(unet)
    shutil.rmtree(unet)
    network.save_pretrained(unet, max_shard_size="100KB")
    assert (unet / f"{NAME}.safetensors.index.json").is_file()


def as_link(pipeline: Path) -> None:
    unet = pipeline / "unet"
    unet.rename(pipeline.parent / "elsewhere")
    unet.symlink_to(pipeline.parent / "elsewhere")


def as_in_2022(pipeline: Path) -> None:
    index = (pipeline / "model_index.json").read_text()
    (pipeline / "model_index.json").write_text(index.replace("CLIPImageProcessor", "CLIPFeatureExtractor"))


@pytest.mark.parametrize("change", [as_bin, as_variant, as_shards, as_link, as_in_2022])
def test_a_layout_gives_the_same_picture(
    change: Callable[[Path], None], folder: Callable[[str], Path], tmp_path: Path
) -> None:
    plain = folder("StableDiffusionPipeline")
    copy = Path(shutil.copytree(plain, tmp_path / "pipeline"))
    change(copy)
    assert paint(load(copy), "a dog") == paint(load(plain), "a dog")
