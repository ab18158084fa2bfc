from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gill_bench.errors import InputError
from gill_bench.interfaces import ImageGenerator, Noise
from gill_bench.models import stable_diffusion
from gill_bench.models.diffusers.folder import TEXT_TO_IMAGE
from gill_bench.models.stable_diffusion import Settings
from gill_bench.models.stable_diffusion.tokens import content_ids, tokenize
from gill_bench.prompt import Prompt
from tests.support.tiny_pipelines import LENGTH, counted, edit_json, write_stable_diffusion, write_stable_diffusion_xl

CONTENT = LENGTH - 2
TEXTS = ["a dog", "", "two cats . the house on the beach", "the red dog runs on the beach . a cat runs . the blue sky"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("pipelines") / "sd-tiny")


@pytest.fixture(scope="module")
def xl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion_xl(tmp_path_factory.mktemp("pipelines") / "sdxl-tiny")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "sd-copy"))


def load(folder: Path, **settings: Any) -> Any:
    chosen = Settings.model_validate({"num_inference_steps": 3, "safety_checker": False, **settings})
    stable_diffusion.check({"pipeline": folder}, chosen)
    return stable_diffusion.load({"pipeline": folder}, chosen, "cpu")


def prompts(texts: list[str]) -> list[Prompt]:
    return [Prompt((text,)) for text in texts]


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())


def test_right_truncation_is_the_stock_embedding_bit_for_bit(folder: Path) -> None:
    model = load(folder)
    embeds, truncated = model.encode(TEXTS)
    assert torch.equal(embeds, model.pipeline.encode_prompt(TEXTS, "cpu", 1, False)[0])
    assert truncated == [False, False, False, True]


def test_a_text_encoder_with_attention_mask_gets_one(copy: Path) -> None:
    edit_json(copy / "text_encoder" / "config.json", use_attention_mask=True)
    model = load(copy)
    assert torch.equal(model.encode(TEXTS)[0], model.pipeline.encode_prompt(TEXTS, "cpu", 1, False)[0])


def test_truncation_keeps_the_side_it_names(folder: Path) -> None:
    tokenizer = load(folder).pipeline.tokenizer
    text = TEXTS[3]
    content = content_ids(tokenizer, text)
    first, last = tokenizer("")["input_ids"]
    right, left, authors = (
        tokenize(tokenizer, [text], side, LENGTH).ids[0].tolist() for side in ("right", "left", "left_authors")
    )
    assert right == [first, *content[:CONTENT], last]
    assert left == [first, *content[-CONTENT:], last]
    assert authors == [first, *content[-LENGTH:-2], last]


@pytest.mark.parametrize("side", ["right", "left", "left_authors"])
def test_prompts_that_fit_have_the_tokens_of_the_stock_tokenizer(folder: Path, side: Any) -> None:
    tokenizer = load(folder).pipeline.tokenizer
    longest = " ".join(["dog"] * CONTENT)
    texts = ["a dog", "", longest, longest + " cat"]
    tokens = tokenize(tokenizer, texts, side, LENGTH)
    stock = tokenizer(texts[:3], padding="max_length", max_length=LENGTH, return_tensors="pt")
    assert torch.equal(tokens.ids[:3], stock["input_ids"])
    assert torch.equal(tokens.mask[:3], stock["attention_mask"])
    assert tokens.truncated == [False, False, False, True]
    assert tokens.ids.shape == (4, LENGTH)


def test_pictures_are_those_of_the_stock_pipeline(folder: Path) -> None:
    model = load(folder, guidance_scale=3.0)
    assert issubclass(type(model), ImageGenerator)
    noise = [[Noise(1), Noise(2)], [Noise(3)], [], [Noise(1)]]
    groups = model.generate_images(prompts(TEXTS), noise)
    assert [[picture.truncated for picture in group] for group in groups] == [[False, False], [False], [], [True]]
    for text, group, wanted in zip(TEXTS, groups, noise, strict=True):
        for picture, sample_noise in zip(group, wanted, strict=True):
            generator = torch.Generator().manual_seed(sample_noise.seed)
            stock = model.pipeline(text, generator=generator, num_inference_steps=3, guidance_scale=3.0).images[0]
            assert difference(picture.image, stock) <= 1
            assert picture.image.mode == "RGB"
    assert difference(groups[0][0].image, groups[3][0].image) > 20


def test_a_prompt_is_encoded_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load(folder)
    calls: list[torch.Tensor] = []
    encoder = model.pipeline.text_encoder
    monkeypatch.setattr(encoder, "forward", counted(encoder.forward, calls))
    model.generate_images(prompts(TEXTS[:2]), [[Noise(seed) for seed in range(3)]] * 2)
    assert [len(ids) for ids in calls] == [2, 1]  # the prompts, and the empty one


def test_segments_are_joined_and_pictures_refused(folder: Path) -> None:
    model = load(folder)
    noise = [[Noise(0)]]
    joined = model.generate_images([Prompt(("a dog", "on the beach"))], noise)[0][0].image
    assert difference(joined, model.generate_images(prompts(["a dog on the beach"]), noise)[0][0].image) == 0
    with pytest.raises(InputError, match="reads text alone"):
        model.generate_images([Prompt(("a dog", Image.new("RGB", (4, 4))))], noise)
    with pytest.raises(ValueError, match="1 prompts, but 0"):
        model.generate_images(prompts(["a"]), [])
    assert model.generate_images([], []) == []


def test_long_prompts_say_nothing_on_stderr(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = load(folder)
    model.generate_images(prompts([TEXTS[3] * 20]), [[Noise(0)]])
    assert capfd.readouterr().err == ""


def test_pipelines_of_other_classes_are_given_the_prompt_as_text(xl: Path) -> None:
    model = load(xl)
    texts = [TEXTS[0], TEXTS[3]]
    groups = model.generate_images(prompts(texts), [[Noise(1), Noise(2)], [Noise(1, skip=1)]])
    assert [[picture.truncated for picture in group] for group in groups] == [[False, False], [True]]
    shared = torch.Generator().manual_seed(1)
    first = model.pipeline(texts[0], generator=shared, num_inference_steps=3, guidance_scale=7.5).images[0]
    second = model.pipeline(texts[1], generator=shared, num_inference_steps=3, guidance_scale=7.5).images[0]
    assert difference(groups[0][0].image, first) <= 1
    assert difference(groups[1][0].image, second) <= 1
    assert model.generate_images([], []) == []


# --- what is known before loading ---


@pytest.mark.parametrize(
    "wrong",
    [
        {"num_inference_steps": 0},
        {"guidance_scale": -0.1},
        {"guidance_scale": float("nan")},
        {"truncation": "middle"},
        {"scheduler": "dimm"},
        {"dtype": "float8"},
        {"steps": 50},
    ],
)
def test_settings_out_of_their_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_checking_the_files_imports_no_heavy_library() -> None:
    code = (
        "import sys, gill_bench.models.stable_diffusion as m; from pathlib import Path\n"
        "try: m.check({'pipeline': Path('nowhere')}, m.Settings())\n"
        "except Exception as error: print(error)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'diffusers', 'transformers', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "model_index.json: no such file" in done.stdout


def test_known_pipelines_are_those_of_diffusers() -> None:
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    assert set(TEXT_TO_IMAGE) <= {kind.__name__ for kind in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()}


def test_complete_folders_pass_the_check(folder: Path, xl: Path) -> None:
    stable_diffusion.check({"pipeline": folder}, Settings())
    stable_diffusion.check({"pipeline": xl}, Settings())


def damage_nothing_but(kind: str, folder: Path) -> str:
    """Damage a folder, and return what the message must name."""
    unet = folder / "unet" / "diffusion_pytorch_model.safetensors"
    if kind == "empty":
        unet.write_bytes(b"")
    elif kind == "cut":
        unet.write_bytes(unet.read_bytes()[:-100])
    elif kind == "not safetensors":
        unet.write_bytes(b"<html>not found</html>")
    elif kind == "no weights":
        unet.unlink()
    elif kind == "no config":
        (folder / "unet" / "config.json").unlink()
        return "config.json"
    elif kind == "empty config":
        (folder / "vae" / "config.json").write_text("")
        return "vae"
    elif kind == "no folder":
        shutil.rmtree(folder / "vae")
        return "vae"
    elif kind == "no tokenizer":
        shutil.rmtree(folder / "tokenizer")
        return "tokenizer"
    elif kind == "missing shard":
        index = folder / "unet" / "diffusion_pytorch_model.safetensors.index.json"
        index.write_text('{"weight_map": {"a": "part-2.safetensors"}}')
        unet.rename(folder / "unet" / "part-1.safetensors")
        return "part-2.safetensors"
    elif kind == "another kind":
        edit_json(folder / "model_index.json", _class_name="StableDiffusionInpaintPipeline")
        return "StableDiffusionInpaintPipeline"
    elif kind == "index not json":
        (folder / "model_index.json").write_text("{")
        return "model_index.json"
    elif kind == "no index":
        (folder / "model_index.json").unlink()
        return "model_index.json"
    return "unet"


@pytest.mark.parametrize(
    "kind",
    [
        "empty",
        "cut",
        "not safetensors",
        "no weights",
        "no config",
        "empty config",
        "no folder",
        "no tokenizer",
        "missing shard",
        "another kind",
        "index not json",
        "no index",
    ],
)
def test_damage_is_found_before_loading(copy: Path, kind: str) -> None:
    named = damage_nothing_but(kind, copy)
    with pytest.raises(InputError) as raised:
        stable_diffusion.check({"pipeline": copy}, Settings())
    assert named in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 3


def test_an_unused_safety_checker_may_be_damaged(copy: Path) -> None:
    next((copy / "safety_checker").glob("*.safetensors")).write_bytes(b"")
    stable_diffusion.check({"pipeline": copy}, Settings(safety_checker=False))
    with pytest.raises(InputError, match="safety_checker"):
        stable_diffusion.check({"pipeline": copy}, Settings())
    shutil.rmtree(copy / "safety_checker")
    stable_diffusion.check({"pipeline": copy}, Settings())


def test_settings_that_do_not_suit_the_pipeline(copy: Path, xl: Path) -> None:
    with pytest.raises(InputError, match="truncation = 'left' is for StableDiffusionPipeline"):
        stable_diffusion.check({"pipeline": xl}, Settings(truncation="left"))
    with pytest.raises(InputError, match="knows 1000 steps"):
        stable_diffusion.check({"pipeline": copy}, Settings(num_inference_steps=1001))
    edit_json(copy / "scheduler" / "scheduler_config.json", _class_name="FlowMatchEulerDiscreteScheduler")
    with pytest.raises(InputError, match="cannot replace the FlowMatch"):
        stable_diffusion.check({"pipeline": copy}, Settings(scheduler="ddim"))
    with pytest.raises(InputError, match="expected 'pipeline' alone"):
        stable_diffusion.check({"pipe": copy}, Settings())


def test_listings_of_other_formats_and_beside_a_whole_file_are_not_followed(copy: Path) -> None:
    listing = '{"weight_map": {"a": "nowhere-1"}}'
    for name in ("tf_model.h5.index.json", "model.bin.index.json", "model.safetensors.index.json"):
        (copy / "unet" / name).write_text(listing)
    stable_diffusion.check({"pipeline": copy}, Settings())
