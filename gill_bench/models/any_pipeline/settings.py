"""The `[settings]` of a card with the adapter `diffusers`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.models.diffusers.schedulers import SchedulerName
from gill_bench.models.execution_only import EXECUTION_ONLY
from gill_bench.models.precision import Precision

Style = Literal["none", "in-place", "list", "last", "strip", "ip-adapter"]
"""How the pictures of a prompt reach a pipeline; `gill_bench.models.any_pipeline.pictures` has the meaning of each."""


class Settings(BaseModel):
    """Sampling and precision. A setting that is None stays the pipeline's own default.

    Attributes:
        dtype: Precision of all networks; "auto" is that of the files, but float32 for float16 files on a CPU.
        scheduler: Sampler; "default" is the one shipped with the weights.
        num_inference_steps: Steps of the sampler.
        guidance_scale: Strength of guidance, as the pipeline means it.
        true_cfg_scale: Strength of guidance by a negative prompt, where `guidance_scale` is a distilled one.
        negative_prompt: The text that guidance leads away from.
        height: Height of the pictures in pixels.
        width: Width of the pictures in pixels.
        max_sequence_length: Tokens of the prompt that are read, in pipelines that have this argument.
        variant: Precision in the names of the files that are read, such as "fp16"; "" for plain names, or, where there
            are none, the first of fp32, fp16 and bf16.
        images: How pictures of a prompt are given; None for what suits the pipeline's class.
        offload: Which parts wait in the memory of the CPU while others work on the accelerator: "model" for whole
            networks, "sequential" for single layers. On a CPU it has no effect.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Precision = "auto"
    scheduler: SchedulerName = "default"
    num_inference_steps: int | None = Field(default=None, gt=0)
    guidance_scale: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    true_cfg_scale: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    negative_prompt: str | None = None
    height: int | None = Field(default=None, gt=0)
    width: int | None = Field(default=None, gt=0)
    max_sequence_length: int | None = Field(default=None, gt=0)
    variant: Literal["", "fp32", "fp16", "bf16"] = ""
    images: Style | None = None
    offload: Annotated[Literal["none", "model", "sequential"], EXECUTION_ONLY] = "none"
