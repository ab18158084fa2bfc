"""Settings of a pipeline: one that it cannot take or would ignore is refused; one that is not set has its default."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from gill_bench.errors import InputError
from gill_bench.models import any_pipeline
from gill_bench.models.any_pipeline import Settings
from tests.models.any_pipeline.conftest import describe, load, paint
from tests.support.tiny_pipelines import edit_json
from tests.support.tiny_prompt_pipelines import write_flux2_klein
from tests.support.tiny_text_to_image import write_flux

diffusers: Any = import_module("diffusers")


@pytest.fixture(scope="module")
def schnell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_flux(tmp_path_factory.mktemp("tiny") / "schnell", guidance=False)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("QwenImagePipeline", {"guidance_scale": 7.5}, "set true_cfg_scale and negative_prompt"),
        ("QwenImagePipeline", {"true_cfg_scale": 4.0}, "would do nothing without a negative_prompt"),
        ("QwenImagePipeline", {"negative_prompt": " ", "true_cfg_scale": 1.0}, "set a true_cfg_scale above 1"),
        ("FluxPipeline", {"negative_prompt": "grey"}, "would do nothing with true_cfg_scale = 1.0"),
        ("Flux2KleinPipeline", {"negative_prompt": "grey"}, "Flux2KleinPipeline takes no negative_prompt"),
        ("ChromaPipeline", {"negative_prompt": "grey", "guidance_scale": 1.0}, "set one above 1"),
        ("ZImagePipeline", {"negative_prompt": "grey", "guidance_scale": 0.0}, "set one above 0"),
        ("HunyuanDiTPipeline", {"max_sequence_length": 9}, "takes no max_sequence_length"),
        ("QwenImageEditPlusPipeline", {"max_sequence_length": 9}, "reads prompts of any length"),
        ("SanaPipeline", {"true_cfg_scale": 2.0}, "takes no true_cfg_scale; leave it out"),
        ("FluxPipeline", {"scheduler": "ddim"}, "cannot replace the FlowMatchEulerDiscreteScheduler"),
        ("StableDiffusionPipeline", {"num_inference_steps": 1001}, "knows 1000 steps"),
        ("StableDiffusionPipeline", {"variant": "fp16"}, "no file has .fp16 in its name"),
        ("FluxPipeline", {"height": 100}, "expected a multiple of 8"),
        ("LatentConsistencyModelPipeline", {"negative_prompt": "grey"}, "takes no negative_prompt"),
    ],
)
def test_settings_that_a_pipeline_ignores_are_refused_before_loading(
    kind: str, settings: dict[str, Any], said: str, folder: Callable[[str], Path]
) -> None:
    with pytest.raises(InputError) as raised:
        any_pipeline.check({"pipeline": folder(kind)}, Settings.model_validate(settings))
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) <= 3


def test_guidance_that_weights_cannot_use_is_refused(schnell: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no guidance embedding"):
        any_pipeline.check({"pipeline": schnell}, Settings(guidance_scale=3.5))
    assert "guidance_scale" not in describe(schnell).settings
    klein = write_flux2_klein(tmp_path / "klein", distilled=True)
    with pytest.raises(InputError, match="these weights are distilled"):
        any_pipeline.check({"pipeline": klein}, Settings(guidance_scale=4.0))
    assert "guidance_scale" not in describe(klein).settings


@pytest.mark.parametrize(
    "wrong", [{"height": 0}, {"num_inference_steps": 0}, {"offload": "gpu"}, {"steps": 3}, {"variant": "int8"}]
)
def test_settings_out_of_their_bounds_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("FluxPipeline", {"guidance_scale": 3.5, "max_sequence_length": 512, "height": 1024, "width": 1024}),
        ("SanaPipeline", {"guidance_scale": 4.5, "height": 1024}),
        ("StableDiffusionPipeline", {"guidance_scale": 7.5, "height": 16, "width": 16}),
        ("QwenImagePipeline", {"max_sequence_length": 512, "height": 1024}),
        ("QwenImageEditPlusPipeline", {"images": "list", "height": 1024}),
        ("OmniGenPipeline", {"guidance_scale": 2.5, "images": "in-place", "height": 1024}),
    ],
)
def test_rows_show_the_defaults_of_the_pipeline(kind: str, own: dict[str, Any], folder: Callable[[str], Path]) -> None:
    known = describe(folder(kind))
    assert {name: known.settings.get(name) for name in own} == own
    assert known.facts["class"] == kind
    assert "true_cfg_scale" not in known.settings  # without a negative prompt it does nothing


def test_a_scheduler_of_flow_matching_takes_more_steps_than_it_was_trained_with(folder: Callable[[str], Path]) -> None:
    assert describe(folder("OmniGenPipeline"), num_inference_steps=50).settings["num_inference_steps"] == 50


def test_guidance_by_a_negative_prompt_does_something(folder: Callable[[str], Path]) -> None:
    path, size = folder("QwenImagePipeline"), {"height": 32, "width": 32}
    plain = paint(load(path, **size), "a dog")[0]
    known = describe(path, negative_prompt=" ")
    assert known.settings["true_cfg_scale"] == 4.0
    guided = [paint(load(path, **size, negative_prompt=" ", true_cfg_scale=scale), "a dog")[0] for scale in (2.0, 6.0)]
    assert len({plain, *guided}) == 3


def test_precision_is_that_of_the_files(folder: Callable[[str], Path], tmp_path: Path) -> None:
    for name, on_cpu in (("bfloat16", torch.bfloat16), ("float16", torch.float32)):
        pipeline = diffusers.ChromaPipeline.from_pretrained(folder("ChromaPipeline"), torch_dtype=getattr(torch, name))
        pipeline.save_pretrained(tmp_path / name)
        assert describe(tmp_path / name).facts["files"] == name
        model = load(tmp_path / name, height=32, width=32)
        assert model.pipeline.transformer.dtype == on_cpu
        assert paint(model, "a dog")[0] != paint(model, "a cat")[0]


def test_files_of_a_variant_are_read(folder: Callable[[str], Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder("ChromaPipeline"), tmp_path / "both"))
    pipeline = diffusers.ChromaPipeline.from_pretrained(copy)
    with torch.no_grad():
        pipeline.transformer.proj_out.weight.mul_(2.0)
    pipeline.to(torch.bfloat16).save_pretrained(tmp_path / "bf16", variant="bf16")
    for file in (tmp_path / "bf16").glob("*/*.bf16.safetensors"):
        shutil.copy(file, copy / file.parent.name / file.name)
    plain, variant = (load(copy, height=32, width=32, variant=name) for name in ("", "bf16"))
    assert (plain.pipeline.transformer.dtype, variant.pipeline.transformer.dtype) == (torch.float32, torch.bfloat16)
    assert paint(plain, "a dog")[0] != paint(variant, "a dog")[0]
    alone = load(tmp_path / "bf16", height=32, width=32)  # there are no plain files
    assert paint(alone, "a dog") == paint(variant, "a dog")


def test_a_folder_that_holds_no_pipeline_of_prompts_is_refused(folder: Callable[[str], Path], tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder("StableDiffusionPipeline"), tmp_path / "copy"))
    for name, said in (
        ("NoSuchPipeline", "has no pipeline 'NoSuchPipeline'"),
        ("DDIMPipeline", "takes no prompt"),
        ("ModelMixin", "has no pipeline"),
    ):
        edit_json(copy / "model_index.json", _class_name=name)
        with pytest.raises(InputError, match=said):
            any_pipeline.check({"pipeline": copy}, Settings())
    edit_json(copy / "model_index.json", _class_name="StableDiffusionPipeline")
    (copy / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(InputError, match="unet: no weights"):
        any_pipeline.check({"pipeline": copy}, Settings())
    with pytest.raises(InputError, match="expected 'pipeline'"):
        any_pipeline.check({"network": copy}, Settings())


def test_a_lora_needs_its_library_and_one_file(
    folder: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gill_bench.models.any_pipeline.loading.find_spec", lambda _: None)
    weights = {"pipeline": folder("StableDiffusionPipeline"), "lora": tmp_path}
    with pytest.raises(InputError, match="expected one file of weights of the LoRA, found none"):
        any_pipeline.check(weights, Settings())
    (tmp_path / "a.safetensors").touch()
    with pytest.raises(InputError, match="pip install peft"):
        any_pipeline.check(weights, Settings())
    (tmp_path / "b.safetensors").touch()
    with pytest.raises(InputError, match=r"found a.safetensors, b.safetensors; name the file itself"):
        any_pipeline.check(weights, Settings())
    with pytest.raises(InputError, match="takes no LoRA"):
        any_pipeline.check({**weights, "pipeline": folder("PixArtSigmaPipeline")}, Settings())
