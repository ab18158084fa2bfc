from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from torch.testing import assert_close
from transformers import CLIPImageProcessorPil, CLIPModel, CLIPVisionConfig, CLIPVisionModel

from gill_bench.errors import InputError
from gill_bench.metrics import clip_similarity
from gill_bench.metrics.backbones.clip import ClipPixels
from tests.support.backbones import pictures, write_clip
from tests.support.metric_cases import Case

HARNESS = (Case({}, write_clip, "mini"), Case({"features": "pooled"}, write_clip, "mini"))

BUDGET = 1e-6
"""How far a cosine may be from that of transformers' CLIPModel and PIL-backed processor, one pair a call. Pixels are
the same bit for bit; what is left is float32 in matrix products of another batch size: 2.4e-7 at the most on 512
pairs."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "clip-copy"))


@pytest.mark.parametrize("features", ["projected", "pooled"])
def test_value_is_that_of_the_whole_clip(folder: Path, features: str) -> None:
    generated, reference = pictures(8), pictures(8, seed=1)
    scorer = clip_similarity.load(folder, {"features": features}, "cpu")
    scorer.update(generated, reference)
    model = CLIPModel.from_pretrained(folder)
    processor = CLIPImageProcessorPil.from_pretrained(folder)
    oracle = []
    with torch.no_grad():
        for pair in zip(generated, reference, strict=True):
            pixels = processor(images=list(pair), return_tensors="pt")["pixel_values"]
            output = model.vision_model(pixels).pooler_output
            if features == "projected":
                output = model.visual_projection(output)
            oracle.append(torch.cosine_similarity(output[0], output[1], dim=0))
    values = scorer.per_sample()
    torch.testing.assert_close(values, torch.stack(oracle), atol=BUDGET, rtol=0)
    assert values.min() < 0.9
    assert values.max() > values.min() + 0.1


PROCESSORS: dict[str, dict[str, Any]] = {
    "published": {},
    "crops within": {"size": {"shortest_edge": 40}, "crop_size": {"height": 31, "width": 36}},
    "other numbers": {
        "size": {"shortest_edge": 48},
        "crop_size": {"height": 48, "width": 48},
        "resample": 2,
        "rescale_factor": 1 / 127.5,
        "image_mean": [1.0, 0.5, 0.25],
        "image_std": [1.0, 2.0, 3.0],
    },
    "not normalised": {"do_normalize": False},
    # Settings that only the processor itself supports.
    "squashes": {"size": {"height": 30, "width": 50}, "crop_size": {"height": 30, "width": 30}},
    "pads": {"size": {"shortest_edge": 20}, "crop_size": {"height": 32, "width": 32}},
    "does not crop": {"do_center_crop": False},
    "limits the long side": {"size": {"shortest_edge": 20, "longest_edge": 300}, "do_center_crop": False},
}


@pytest.mark.parametrize("kind", PROCESSORS)
@settings(max_examples=15, deadline=None)
@given(width=st.integers(1, 300), height=st.integers(1, 300), seed=st.integers(0, 9))
def test_pixels_are_those_of_the_processor(kind: str, width: int, height: int, seed: int) -> None:
    processor = CLIPImageProcessorPil(**PROCESSORS[kind])
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    image = Image.fromarray(levels)
    expected = processor(images=[image], return_tensors="pt")["pixel_values"][0]
    pixels = ClipPixels(processor)(image)
    assert pixels.dtype == expected.dtype == torch.float32
    assert torch.equal(pixels, expected)


def test_only_the_vision_tower_is_loaded(folder: Path) -> None:
    scorer = clip_similarity.load(folder, {}, "cpu")
    assert not any("text" in name for name, _ in scorer.named_parameters())


def test_dtype_is_that_of_the_card_and_not_of_the_file(copy: Path) -> None:
    file = copy / "model.safetensors"
    save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)
    edit = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**edit, "dtype": "float16"}))
    assert {p.dtype for p in clip_similarity.load(copy, {}, "cpu").parameters()} == {torch.float32}
    narrow = clip_similarity.load(copy, {"dtype": "bfloat16"}, "cpu")
    assert {p.dtype for p in narrow.parameters()} == {torch.bfloat16}
    narrow.update(pictures(2), pictures(2, seed=1))
    assert narrow.per_sample().dtype == torch.float32


def test_a_folder_with_the_vision_tower_alone_has_pooled_features_only(folder: Path, tmp_path: Path) -> None:
    CLIPVisionModel.from_pretrained(folder).save_pretrained(tmp_path)
    shutil.copy(folder / "preprocessor_config.json", tmp_path)
    pooled = clip_similarity.load(tmp_path, {"features": "pooled"}, "cpu")
    whole = clip_similarity.load(folder, {"features": "pooled"}, "cpu")
    for scorer in (pooled, whole):
        scorer.update(pictures(2), pictures(2, seed=1))
    assert torch.equal(pooled.per_sample(), whole.per_sample())
    with pytest.raises(InputError, match=r"missing, the first is 'visual_projection\.weight'"):
        clip_similarity.load(tmp_path, {}, "cpu")


def test_a_small_tower_shows_in_the_name(folder: Path, tmp_path: Path) -> None:
    from transformers import CLIPVisionModelWithProjection

    assert clip_similarity.load(folder, {}, "cpu").name == "clip-similarity[mini]"
    config = CLIPVisionConfig(
        hidden_size=256, num_attention_heads=4, num_hidden_layers=1, intermediate_size=8, image_size=32, patch_size=16
    )
    CLIPVisionModelWithProjection(config).save_pretrained(tmp_path)
    CLIPImageProcessorPil().save_pretrained(tmp_path)
    assert clip_similarity.load(tmp_path, {}, "cpu").name == "clip-similarity"


@pytest.mark.parametrize(
    "kind", ["no folder", "no config", "another model", "no processor", "no weights", "cut", "empty"]
)
def test_the_check_names_the_damaged_or_missing_file(copy: Path, kind: str) -> None:
    weights = copy / "model.safetensors"
    named = {
        "no folder": "config.json",
        "no config": "config.json",
        "another model": "'opt'",
        "no processor": "preprocessor_config.json",
        "no weights": "no weights",
        "cut": "download it again",
        "empty": "empty file",
    }[kind]
    if kind == "no folder":
        shutil.rmtree(copy)
    elif kind == "no config":
        (copy / "config.json").unlink()
    elif kind == "another model":
        (copy / "config.json").write_text('{"model_type": "opt"}')
    elif kind == "no processor":
        (copy / "preprocessor_config.json").unlink()
    elif kind == "no weights":
        weights.unlink()
    elif kind == "cut":
        weights.write_bytes(weights.read_bytes()[:-4])
    else:
        weights.write_bytes(b"")
    with pytest.raises(InputError) as raised:
        clip_similarity.check(copy, {}, "mini")
    assert named in str(raised.value)


def test_wrong_settings_and_missing_weights_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="clip-similarity: settings: unknown key 'feature'; did you mean 'features'"):
        clip_similarity.check(folder, {"feature": "pooled"}, "mini")
    with pytest.raises(InputError, match="settings: dtype = 'float64'"):
        clip_similarity.signature({"dtype": "float64"}, "x")
    with pytest.raises(InputError, match="needs weights"):
        clip_similarity.check(None, {}, "mini")


def test_incomplete_weights_are_refused(copy: Path) -> None:
    file = copy / "model.safetensors"
    tensors = load_file(file)
    gone = "vision_model.post_layernorm.weight"
    save_file({name: tensor for name, tensor in tensors.items() if name != gone}, file)
    with pytest.raises(InputError, match="1 weights of CLIPVisionModelWithProjection are missing"):
        clip_similarity.load(copy, {}, "cpu")
    save_file({**tensors, gone: torch.zeros(3)}, file)
    with pytest.raises(InputError, match=rf"of another shape, the first is '{gone}', \(3,\) instead of"):
        clip_similarity.load(copy, {}, "cpu")


def test_a_small_tower_under_the_name_of_a_published_one_is_refused_before_loading(folder: Path) -> None:
    with pytest.raises(InputError, match=r"a vision tower of width .*, too narrow for openai/clip-vit-large-patch14"):
        clip_similarity.check(folder, {}, "openai/clip-vit-large-patch14")


def test_a_processor_as_transformers_5_writes_it_is_read(copy: Path) -> None:
    """Transformers 5 writes the image processor's values into `processor_config.json`, in whose favour it decides."""
    picture = Image.effect_noise((60, 40), 80).convert("RGB")
    plain = clip_similarity.load(copy, {}, "cpu")._prepare(picture)
    config = json.loads((copy / "preprocessor_config.json").read_text())
    whole = {"image_processor": {**config, "image_mean": [0.1, 0.2, 0.3]}, "processor_class": "CLIPProcessor"}
    (copy / "processor_config.json").write_text(json.dumps(whole))
    for _ in range(2):
        clip_similarity.check(copy, {}, "mini")
        pixels = clip_similarity.load(copy, {}, "cpu")._prepare(picture)
        shift = [
            (old - new) / std
            for old, new, std in zip(config["image_mean"], [0.1, 0.2, 0.3], config["image_std"], strict=True)
        ]
        assert_close(pixels - plain, torch.tensor(shift)[:, None, None].expand_as(plain), rtol=0, atol=1e-5)
        (copy / "preprocessor_config.json").unlink(missing_ok=True)


def test_a_processor_that_says_nothing_of_pictures_is_refused(copy: Path) -> None:
    (copy / "preprocessor_config.json").unlink()
    (copy / "processor_config.json").write_text('{"processor_class": "CLIPProcessor"}')
    with pytest.raises(InputError, match=r"and its processor_config\.json has no 'image_processor'"):
        clip_similarity.check(copy, {}, "mini")
