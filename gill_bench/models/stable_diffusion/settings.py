"""The `[settings]` of a Stable Diffusion card."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.models.diffusers.schedulers import SchedulerName
from gill_bench.models.precision import Precision


class Settings(BaseModel):
    """Sampling and precision.

    Attributes:
        dtype: Precision of all networks; "auto" is float16 on an accelerator and float32 on a CPU.
        truncation: Which part of a prompt is kept when it is longer than the text encoder reads (protocol 3.3):
            "right" cuts the end as the stock pipeline does, "left" cuts the beginning, "left_authors" cuts the
            beginning and, by tokenising twice, the last two tokens too.
        scheduler: Sampler; "default" is the one shipped with the weights.
        num_inference_steps: Steps of the sampler.
        guidance_scale: Strength of classifier-free guidance; 1 or less means none. In FLUX.1-dev and LCM, the guidance
            that was distilled into them; FLUX.1-schnell ignores it, so it is neither sent nor shown (`unused`).
        safety_checker: Whether the safety checker blackens pictures that it flags, as in the stock pipeline.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Precision = "auto"
    truncation: Literal["right", "left", "left_authors"] = "right"
    scheduler: SchedulerName = "default"
    num_inference_steps: int = Field(default=50, gt=0)
    guidance_scale: float = Field(default=7.5, ge=0, allow_inf_nan=False)
    safety_checker: bool = True
