from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError

from gill_bench.errors import GillBenchError, InputError
from gill_bench.interfaces import ImageGenerator, Noise
from gill_bench.models import glide
from gill_bench.models.glide import Settings
from gill_bench.prompt import Prompt
from tests.models.glide.tiny import edit_state, write_glide

TEXTS = ["a dog", "", "the cat is longer than twelve tokens"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_glide(tmp_path_factory.mktemp("glide") / "glide-tiny")


def load(folder: Path, **settings: Any) -> Any:
    chosen = Settings.model_validate({"base_steps": 4, "upsample_steps": 3, **settings})
    weights = {"checkpoint": folder, "tokenizer": folder}
    glide.check(weights, chosen)
    return glide.load(weights, chosen, "cpu")


def prompts(texts: list[str]) -> list[Prompt]:
    return [Prompt((text,)) for text in texts]


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())


def test_pictures_depend_on_prompt_and_noise_alone(folder: Path) -> None:
    model = load(folder)
    assert isinstance(model, ImageGenerator)
    noise = [[Noise(1), Noise(2)], [], [Noise(1)]]
    pictures = model.generate_images(prompts(TEXTS), noise)
    assert [[picture.truncated for picture in group] for group in pictures] == [[False, False], [], [True]]
    for text, group, wanted in zip(TEXTS, pictures, noise, strict=True):
        for picture, sample_noise in zip(group, wanted, strict=True):
            (alone,) = model.generate_images(prompts([text]), [[sample_noise]])
            # Products of a batch are rounded otherwise, on each kind of CPU in its own way, and a network of random
            # weights makes more of it; another noise or another text changes levels by more than 20, as below.
            assert difference(picture.image, alone[0].image) <= 4
            assert (picture.image.mode, picture.image.size) == ("RGB", (16, 16))
            assert not picture.flagged
    assert difference(pictures[0][0].image, pictures[0][1].image) > 20
    assert difference(pictures[0][0].image, pictures[2][0].image) > 20
    assert model.generate_images([], []) == []
    assert model.generate_images(prompts(["a"]), [[]]) == [[]]


def test_shared_noise_goes_on_where_the_last_picture_ended(folder: Path) -> None:
    model = load(folder)
    size = model.sampler.noise_size()
    assert size == 4 * 3 * 8 * 8 + 3 * 16 * 16
    generator = torch.Generator().manual_seed(7)
    expected = torch.stack([torch.randn(size, generator=generator) for _ in range(3)])
    for order in ([0, 1, 2], [2, 0, 1]):
        drawn = model.draw([Noise(7, skip) for skip in order])
        assert torch.equal(torch.cat([item.flatten(1) for item in drawn], dim=1), expected[order])


def test_the_order_of_noise_is_that_of_single_draws(folder: Path) -> None:
    """The noise has the same numbers as drawing one tensor after the other, as the docstring promises."""
    drawn = load(folder).draw([Noise(5)])
    generator = torch.Generator().manual_seed(5)
    assert torch.equal(drawn.base[0], torch.randn(3, 8, 8, generator=generator))
    for step in range(3):
        assert torch.equal(drawn.base_steps[0, step], torch.randn(3, 8, 8, generator=generator))
    assert torch.equal(drawn.upsampler[0], torch.randn(3, 16, 16, generator=generator))


def test_a_prompt_is_read_once_per_network(folder: Path) -> None:
    model = load(folder)
    calls: list[int] = []
    for network in (model.sampler.base, model.sampler.upsampler):
        network.token_embedding.register_forward_pre_hook(lambda _, inputs: calls.append(len(inputs[0])))
    model.generate_images(prompts(TEXTS[:2]), [[Noise(0), Noise(1), Noise(2)]] * 2)
    assert calls == [2, 2, 1]  # the prompts by both networks, and no text by the base network
    model.generate_images(prompts(TEXTS[:1]), [[Noise(0)]])
    assert calls[3:] == [1, 1]


def test_settings_reach_the_sampler(folder: Path) -> None:
    def picture(**settings: Any) -> Image.Image:
        image: Image.Image = load(folder, **settings).generate_images(prompts(["a dog"]), [[Noise(1)]])[0][0].image
        return image

    usual = picture()
    assert difference(usual, picture()) == 0
    for change in (
        {"guidance_scale": 1.0},
        {"base_steps": 5},
        {"upsample_steps": "fast27"},
        {"upsample_temperature": 0.5},
    ):
        assert difference(usual, picture(**change)) > 5
    ignored = load(folder, guidance_scale=0.0).sampler
    assert ignored.guidance_scale == 0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_pictures_can_be_made_in_half_precision(folder: Path, dtype: str) -> None:
    model = load(folder, dtype=dtype)
    assert model.sampler.base.transformer_proj.weight.dtype == getattr(torch, dtype)
    pictures = model.generate_images(prompts(TEXTS), [[Noise(1)]] * 3)
    assert [len(group) for group in pictures] == [1, 1, 1]


def test_prompts_with_pictures_are_refused(folder: Path) -> None:
    model = load(folder)
    with pytest.raises(InputError, match="reads text alone"):
        model.generate_images([Prompt(("a dog", Image.new("RGB", (4, 4))))], [[Noise(0)]])
    with pytest.raises(ValueError, match="1 prompts, but 0"):
        model.generate_images(prompts(["a"]), [])


def test_a_picture_that_is_not_finite_is_an_error(tmp_path: Path) -> None:
    copy = write_glide(tmp_path / "copy")
    edit_state(copy / "upsample.pt", final_ln__weight=torch.full((16,), 3e38))
    with pytest.raises(GillBenchError, match="not finite"):
        load(copy).generate_images(prompts(["a"]), [[Noise(0)]])


@pytest.mark.parametrize(
    "wrong",
    [
        {"guidance_scale": -0.1},
        {"guidance_scale": float("nan")},
        {"base_steps": 1},
        {"base_steps": 1001},
        {"upsample_steps": 1},
        {"upsample_steps": 1001},
        {"upsample_steps": "fast28"},
        {"upsample_temperature": -1},
        {"dtype": "float8"},
        {"steps": 50},
    ],
)
def test_settings_out_of_their_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_components_of_another_role_are_refused(folder: Path) -> None:
    for call in (
        lambda weights: glide.check(weights, Settings()),
        lambda weights: glide.load(weights, Settings(), "cpu"),
    ):
        with pytest.raises(InputError, match=r"expected 'checkpoint' and 'tokenizer', got \['pipeline'\]"):
            call({"pipeline": folder})


def test_checking_the_files_imports_no_heavy_library(folder: Path) -> None:
    code = (
        "import sys, gill_bench.models.glide as m; from pathlib import Path\n"
        f"try: m.check({{'checkpoint': Path({str(folder)!r}), 'tokenizer': Path('nowhere')}}, m.Settings())\n"
        "except Exception as error: print(error)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'diffusers', 'transformers', 'tokenizers', 'numpy')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "nowhere: expected GPT-2's tokenizer" in done.stdout
