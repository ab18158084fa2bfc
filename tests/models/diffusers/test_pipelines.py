from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.errors import GillBenchError, InputError
from gill_bench.interfaces import GeneratedImage, Noise
from gill_bench.models.diffusers.pipelines import Pipeline, load_pipeline, sample, unconditional
from gill_bench.models.diffusers.schedulers import SCHEDULERS, SchedulerName
from gill_bench.models.diffusers.shared_noise import Latents, Positions
from gill_bench.models.precision import resolve_dtype
from tests.support.tiny_pipelines import counted, edit_json, write_stable_diffusion

STEPS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_stable_diffusion(tmp_path_factory.mktemp("pipelines") / "sd-tiny")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(folder, tmp_path / "sd-copy"))


def load(folder: Path, scheduler: SchedulerName = "default", safety_checker: bool = True) -> Any:
    return load_pipeline(folder, dtype=torch.float32, device="cpu", scheduler=scheduler, safety_checker=safety_checker)


@pytest.fixture(scope="module")
def pipeline(folder: Path) -> Any:
    return load(folder)


@pytest.fixture(scope="module")
def embeds(pipeline: Any) -> torch.Tensor:
    encoded: torch.Tensor = pipeline.encode_prompt(["a dog on the beach", "two cats", "red sky"], "cpu", 1, False)[0]
    return encoded


def generate(
    pipeline: Pipeline, embeds: torch.Tensor, noise: Sequence[Sequence[Noise]], guidance: float = 7.5
) -> list[list[GeneratedImage]]:
    return sample(pipeline, embeds, noise, num_inference_steps=STEPS, guidance_scale=guidance)


def difference(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max())


def test_dtype_follows_device_only_for_auto() -> None:
    assert resolve_dtype("auto", "cpu", torch.float16) is torch.float32
    assert resolve_dtype("auto", "cuda:1", torch.float16) is torch.float16
    assert resolve_dtype("bfloat16", "cpu", torch.float16) is torch.bfloat16
    with pytest.raises(InputError, match="did you mean 'float16'"):
        resolve_dtype("flaot16", "cpu", torch.float16)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 7.5])
def test_pictures_are_those_of_the_stock_call(pipeline: Any, embeds: torch.Tensor, guidance: float) -> None:
    noise = [[Noise(1), Noise(2)], [], [Noise(1)]]
    groups = generate(pipeline, embeds, noise, guidance)
    assert [len(group) for group in groups] == [2, 0, 1]
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2, 1)]
    stock = pipeline(
        prompt_embeds=embeds[[0, 0, 2]], generator=generators, num_inference_steps=STEPS, guidance_scale=guidance
    )
    for generated, stock_image in zip([item for group in groups for item in group], stock.images, strict=True):
        assert difference(generated.image, stock_image) == 0
        assert not generated.flagged


def test_a_picture_depends_on_its_prompt_and_noise_alone(pipeline: Any, embeds: torch.Tensor) -> None:
    together = generate(pipeline, embeds, [[Noise(1), Noise(2)], [Noise(3)], [Noise(1)]])
    alone = generate(pipeline, embeds[:1], [[Noise(2)]])[0][0].image
    reordered = generate(pipeline, embeds[[2, 0]], [[Noise(9), Noise(1)], [Noise(2)]])
    assert difference(together[0][1].image, alone) <= 1
    assert difference(reordered[1][0].image, alone) <= 1
    assert difference(reordered[0][1].image, together[2][0].image) <= 1
    assert difference(together[0][0].image, together[0][1].image) > 20
    assert difference(together[0][0].image, together[2][0].image) > 20


def test_prompts_without_noise_get_no_pictures_and_a_wrong_count_of_noise_is_refused(
    pipeline: Any, embeds: torch.Tensor
) -> None:
    assert generate(pipeline, embeds, [[], [], []]) == [[], [], []]
    assert generate(pipeline, embeds[:0], []) == []
    with pytest.raises(ValueError, match="2 sequences of noise"):
        generate(pipeline, embeds, [[Noise(0)], [Noise(0)]])


def test_unconditional_embedding_is_that_of_the_empty_prompt_and_computed_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = load(folder)
    empty = pipeline.encode_prompt("", "cpu", 1, False)[0]
    embeds = pipeline.encode_prompt(["a dog"], "cpu", 1, False)[0]
    assert torch.equal(unconditional(pipeline, embeds), empty)
    calls: list[object] = []
    monkeypatch.setattr(pipeline.text_encoder, "forward", counted(pipeline.text_encoder.forward, calls))
    for seed in range(3):
        generate(pipeline, embeds, [[Noise(seed)]])
    assert calls == []


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_a_network_gone_wrong_gives_no_black_picture(folder: Path, embeds: torch.Tensor) -> None:
    pipeline = load(folder)
    with torch.no_grad():
        pipeline.unet.conv_in.weight.fill_(torch.nan)
    with pytest.raises(GillBenchError, match="a picture is not finite"):
        generate(pipeline, embeds[:1], [[Noise(0)]])


def test_flagged_pictures_are_black_and_marked(
    folder: Path, embeds: torch.Tensor, capfd: pytest.CaptureFixture[str]
) -> None:
    pipeline = load(folder)
    torch.nn.init.constant_(pipeline.safety_checker.concept_embeds_weights, -2.0)
    [[picture]] = generate(pipeline, embeds[:1], [[Noise(0)]])
    assert picture.flagged
    assert np.asarray(picture.image).max() == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", sorted(SCHEDULERS))
def test_schedulers_take_over_the_noise_schedule(folder: Path, embeds: torch.Tensor, name: SchedulerName) -> None:
    shipped = load(folder).scheduler
    pipeline = load(folder, name)
    assert type(pipeline.scheduler).__name__ == SCHEDULERS[name]
    assert torch.equal(pipeline.scheduler.betas, shipped.betas)
    first = generate(pipeline, embeds[:1], [[Noise(4)]])[0][0].image
    again = generate(pipeline, embeds[:2], [[Noise(4)], [Noise(5)]])[0][0].image
    assert difference(first, again) <= 1


@pytest.mark.parametrize("name", ["ddim", "ddpm"])
@pytest.mark.parametrize("said", [None, True])
def test_latents_are_never_limited_to_the_range_of_pictures(copy: Path, name: SchedulerName, said: bool | None) -> None:
    config = copy / "scheduler" / "scheduler_config.json"
    shipped = {key: value for key, value in json.loads(config.read_text()).items() if key != "clip_sample"}
    config.write_text(json.dumps(shipped if said is None else {**shipped, "clip_sample": said}))
    assert load(copy, name).scheduler.config.clip_sample is False


# --- the paper's shared generator ---


def test_shared_noise_is_one_generator_for_all(pipeline: Any, embeds: torch.Tensor) -> None:
    shared = torch.Generator().manual_seed(42)
    expected = [
        pipeline(prompt_embeds=embeds[:1], generator=shared, num_inference_steps=STEPS).images[0] for _ in range(4)
    ]
    for order in ([0, 1, 2, 3], [3, 0, 2, 2, 1]):
        for position in order:
            [[picture]] = generate(pipeline, embeds[:1], [[Noise(42, skip=position)]])
            assert difference(picture.image, expected[position]) == 0
    [batch] = generate(pipeline, embeds[:1], [[Noise(42, skip=k) for k in (2, 0, 3)]])
    assert [difference(p.image, expected[k]) <= 1 for p, k in zip(batch, (2, 0, 3), strict=True)] == [True] * 3


def test_shared_noise_in_order_draws_every_latent_once(monkeypatch: pytest.MonkeyPatch) -> None:
    latents = Latents((1, 4, 8, 8), torch.float16)
    draws: list[object] = []
    monkeypatch.setattr(Latents, "draw", counted(Latents.draw, draws))
    positions = Positions(capacity=2)
    for skip in range(200):
        for seed in (1, 2):
            positions.generator(Noise(seed, skip), latents)
    assert len(draws) == 2 * 199


def test_shared_noise_does_not_depend_on_order_or_on_what_is_remembered() -> None:
    latents = Latents((1, 4, 8, 8), torch.float32)

    def state(positions: Positions, seed: int, skip: int) -> list[int]:
        values: list[int] = positions.generator(Noise(seed, skip), latents).get_state().tolist()
        return values

    fresh = {(seed, skip): state(Positions(1), seed, skip) for seed in (1, 2, 3) for skip in (0, 3, 7)}
    positions = Positions(capacity=2)
    for seed, skip in [(1, 7), (2, 3), (3, 0), (1, 3), (3, 7), (2, 7), (2, 3), (1, 0), (3, 3)]:
        assert state(positions, seed, skip) == fresh[seed, skip]


def test_shared_noise_refuses_samplers_that_draw_at_every_step(folder: Path, embeds: torch.Tensor) -> None:
    with pytest.raises(InputError, match="DDPMScheduler draws more"):
        generate(load(folder, "ddpm"), embeds[:1], [[Noise(42, skip=1)]])


# --- loading ---


def test_loading_is_quiet_and_leaves_the_libraries_as_they_were(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    before = [(x.get_verbosity(), x.is_progress_bar_enabled()) for x in (diffusers_logging, transformers_logging)]
    random = torch.get_rng_state()
    load(folder)
    after = [(x.get_verbosity(), x.is_progress_bar_enabled()) for x in (diffusers_logging, transformers_logging)]
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert after == before
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_default_dtype() is torch.float32


def test_all_networks_have_the_requested_dtype(folder: Path) -> None:
    pipeline = load_pipeline(folder, dtype=torch.bfloat16, device="cpu", scheduler="default", safety_checker=False)
    assert {part.dtype for part in (pipeline.unet, pipeline.vae, pipeline.text_encoder)} == {torch.bfloat16}


def test_a_pipeline_loads_silently_without_its_safety_checker(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert load(folder, safety_checker=False).safety_checker is None
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("how", ["never had one", "folder removed"])
def test_a_safety_checker_that_is_not_there_is_said_once(
    how: str, copy: Path, tmp_path: Path, embeds: torch.Tensor, caplog: pytest.LogCaptureFixture
) -> None:
    import shutil

    if how == "never had one":
        copy = write_stable_diffusion(tmp_path / "without", safety_checker=False)
    else:
        shutil.rmtree(copy / "safety_checker")
    with caplog.at_level(logging.WARNING):
        pipeline = load(copy)
    assert [record.message for record in caplog.records] == [
        f"{copy.name} has no safety checker: no picture will be flagged"
    ]
    assert not generate(pipeline, embeds[:1], [[Noise(0)]])[0][0].flagged


def test_half_precision_files_alone_are_enough(copy: Path) -> None:
    for part in ("unet", "vae", "text_encoder", "safety_checker"):
        for file in (copy / part).glob("*.safetensors"):
            file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    assert load(copy).unet.dtype is torch.float32


def test_damage_is_an_input_error_that_names_the_part(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    whole = weights.read_bytes()

    def message() -> str:
        with pytest.raises(InputError) as raised:
            load(copy)
        assert len(str(raised.value).splitlines()) <= 3
        return str(raised.value)

    weights.write_bytes(whole[: len(whole) // 2])
    assert f"{copy / 'unet'}: cannot be loaded as UNet2DConditionModel" in message()
    weights.unlink()
    assert str(copy / "unet") in message()
    weights.write_bytes(whole)

    tensors = load_file(weights)
    save_file({name: value for name, value in tensors.items() if name != "conv_in.bias"}, weights)
    assert "1 weights of UNet2DConditionModel are missing, the first is 'conv_in.bias'" in message()
    save_file({**tensors, "conv_in.bias": torch.zeros(5)}, weights)
    assert str(copy / "unet") in message()
    weights.write_bytes(whole)

    text = copy / "text_encoder" / "model.safetensors"
    whole = text.read_bytes()
    tensors = load_file(text)
    gone = sorted(tensors)[0]
    save_file({name: value for name, value in tensors.items() if name != gone}, text)
    assert "1 weights of CLIPTextModel are missing" in message()
    save_file({**tensors, gone: torch.zeros(3)}, text)
    assert str(copy / "text_encoder") in message()
    text.write_bytes(whole)

    checker = copy / "safety_checker" / "model.safetensors"
    whole = checker.read_bytes()
    tensors = load_file(checker)
    for gone in ("concept_embeds_weights", next(name for name in sorted(tensors) if name.startswith("vision_model."))):
        save_file({name: value for name, value in tensors.items() if name != gone}, checker)
        assert "1 weights of StableDiffusionSafetyChecker are missing, the first is " in message()
    save_file({**tensors, "surprise": torch.zeros(3)}, checker)
    assert "1 weights are not of StableDiffusionSafetyChecker, the first is 'surprise'" in message()
    checker.write_bytes(whole)

    (copy / "vae" / "config.json").write_text("{")
    assert str(copy / "vae") in message()


def test_a_missing_or_malformed_model_index_is_refused(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; expected a pipeline"):
        load(tmp_path / "nowhere")
    (copy / "model_index.json").write_text(json.dumps({"_class_name": 3}))
    with pytest.raises(InputError, match="no '_class_name'"):
        load(copy)


def test_flow_matching_samplers_are_not_replaced(copy: Path) -> None:
    edit_json(copy / "model_index.json", scheduler=["diffusers", "FlowMatchEulerDiscreteScheduler"])
    config = copy / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps({"_class_name": "FlowMatchEulerDiscreteScheduler"}))
    with pytest.raises(InputError, match="cannot replace FlowMatchEulerDiscreteScheduler"):
        load(copy, "ddim")


def test_files_with_the_names_of_transformers_4_load_whole(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    expected = {}
    for part, prefix in (("safety_checker", "vision_model."), ("text_encoder", "")):
        file = copy / part / "model.safetensors"
        tensors = expected[part] = load_file(file)
        inner = prefix + ("vision_model." if prefix else "text_model.")
        old = {inner + k.removeprefix(prefix) if k.startswith(prefix) else k: v for k, v in tensors.items()}
        # Published files have this buffer, which later versions do not store.
        save_file({**old, inner + "embeddings.position_ids": torch.arange(4)[None]}, file)
    pipeline = load(copy)
    for part, tensors in expected.items():
        loaded = getattr(pipeline, part).state_dict()
        assert {name for name, tensor in tensors.items() if torch.equal(loaded[name], tensor)} == set(tensors)


def test_the_feature_extractor_of_published_pipelines_is_read_under_its_new_name(copy: Path) -> None:
    """`model_index.json` of Stable Diffusion v1 names a class that transformers 5 does not have."""
    expected = load(copy).feature_extractor
    edit_json(copy / "model_index.json", feature_extractor=["transformers", "CLIPFeatureExtractor"])
    edit_json(copy / "feature_extractor" / "preprocessor_config.json", feature_extractor_type="CLIPFeatureExtractor")
    extractor = load(copy).feature_extractor
    assert type(extractor) is type(expected)
    assert extractor.size == expected.size
