"""Stable Diffusion, and other text-to-image pipelines of diffusers: the text-only baseline of Tables 1-3 and 8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.interfaces import ImageGenerator
from gill_bench.models.components import expect_components
from gill_bench.models.diffusers.folder import check_pipeline_folder, ignores_guidance, read_index
from gill_bench.models.stable_diffusion.settings import Settings
from gill_bench.storage.reading import read_json

__all__ = ["Settings", "check", "load"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check the folder of the component `pipeline`, and that the settings suit this kind of pipeline.

    Raises:
        InputError: A file is missing, empty or cut off, or a setting does not suit this kind of pipeline.
    """
    expect_components(weights, "pipeline")
    path = weights["pipeline"]
    kind = check_pipeline_folder(path, safety_checker=settings.safety_checker)["_class_name"]
    if settings.truncation != "right" and kind != "StableDiffusionPipeline":
        raise InputError(
            f"truncation = {settings.truncation!r} is for StableDiffusionPipeline, but {path} holds a {kind}; "
            "use truncation = 'right'"
        )
    shipped = read_json(path / "scheduler" / "scheduler_config.json")
    flow_matching = str(shipped.get("_class_name", "")).startswith("FlowMatch")
    if settings.scheduler != "default" and flow_matching:
        raise InputError(
            f"scheduler = {settings.scheduler!r} cannot replace the {shipped['_class_name']} of {path}; "
            "use scheduler = 'default'"
        )
    trained = shipped.get("num_train_timesteps")
    if isinstance(trained, int) and settings.num_inference_steps > trained:
        raise InputError(f"num_inference_steps = {settings.num_inference_steps}, but {path} knows {trained} steps")


def unused(weights: Mapping[str, Path]) -> dict[str, str]:
    """Settings that change nothing with these weights, and why; they are neither sent to the pipeline nor shown."""
    expect_components(weights, "pipeline")
    kind = read_index(weights["pipeline"])["_class_name"]
    config = weights["pipeline"] / "transformer" / "config.json"
    if ignores_guidance(kind, read_json(config) if config.is_file() else {}):
        return {
            "guidance_scale": f"guidance_scale does nothing in this {kind}, whose transformer has no guidance embedding"
        }
    return {}


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> ImageGenerator:
    """Load the pipeline."""
    expect_components(weights, "pipeline")
    from gill_bench.models.stable_diffusion.generators import load_generator

    return load_generator(weights["pipeline"], settings, device)
