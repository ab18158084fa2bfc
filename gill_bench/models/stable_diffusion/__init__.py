"""Stable Diffusion, and other text-to-image pipelines of diffusers: the text-only baseline of Tables 1-3 and 8."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.errors import InputError
from gill_bench.interfaces import ImageGenerator
from gill_bench.models.diffusers.folder import check_pipeline_folder, ignores_guidance, read_index
from gill_bench.models.diffusers.schedulers import SchedulerName
from gill_bench.weights.checkpoints import read_json

__all__ = ["Settings", "check", "load"]


class Settings(BaseModel):
    """Sampling and precision.

    Attributes:
        dtype: "auto" is float16 on an accelerator and float32 on a CPU.
        truncation: What is kept of a prompt that is longer than the text encoder reads (protocol 3.3): "right" cuts
            the end as the stock pipeline does, "left" cuts the beginning, "left_authors" cuts the beginning and, by
            tokenising twice, the last two tokens too.
        scheduler: Sampler.
        num_inference_steps: Steps of the sampler.
        guidance_scale: Classifier-free guidance; 1 or less means none. In FLUX.1-dev and LCM, the guidance that was
            distilled into them; in FLUX.1-schnell it does nothing, and is neither sent nor shown (`unused`).
        safety_checker: Blacken flagged pictures, as the stock pipeline does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    truncation: Literal["right", "left", "left_authors"] = "right"
    scheduler: SchedulerName = "default"
    num_inference_steps: int = Field(default=50, gt=0)
    guidance_scale: float = Field(default=7.5, ge=0, allow_inf_nan=False)
    safety_checker: bool = True


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check folder and settings before anything is loaded.

    Raises:
        InputError: A file is missing, empty or cut off, or a setting does not suit this kind of pipeline.
    """
    path = _folder(weights)
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
    """Settings that do nothing with these weights, and why: they are neither sent nor shown."""
    path = _folder(weights)
    kind = read_index(path)["_class_name"]
    config = path / "transformer" / "config.json"
    if ignores_guidance(kind, read_json(config) if config.is_file() else {}):
        return {
            "guidance_scale": f"guidance_scale does nothing in this {kind}, whose transformer has no guidance embedding"
        }
    return {}


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> ImageGenerator:
    """Load the pipeline.

    Raises:
        InputError: The weights are damaged, incomplete or of another model.
    """
    from gill_bench.models.stable_diffusion.generators import load_generator

    return load_generator(_folder(weights), settings, device)


def _folder(weights: Mapping[str, Path]) -> Path:
    if set(weights) != {"pipeline"}:
        raise InputError(f"weights: expected 'pipeline' alone, got {sorted(weights)}")
    return weights["pipeline"]
