"""The `[settings]` of a GILL card."""

from __future__ import annotations

from pydantic import Field

from gill_bench.models.diffusers.schedulers import SchedulerName
from gill_bench.models.interleaved.settings import ReadingSettings
from gill_bench.models.precision import Precision


class Settings(ReadingSettings):
    """How prompts are read and continued (see `ReadingSettings`), and how pictures are sampled.

    Attributes:
        image_decoder_dtype: Precision of the image decoder; "auto" = float16 on an accelerator, float32 on a CPU.
        scheduler: Sampler of the image decoder; "default" is the one shipped with it.
        num_inference_steps: Steps of the sampler.
        guidance_scale: Strength of classifier-free guidance.
        safety_checker: Whether the safety checker blackens pictures that it flags.
    """

    image_decoder_dtype: Precision = "auto"
    scheduler: SchedulerName = "default"
    num_inference_steps: int = Field(default=50, gt=0, le=1000)
    guidance_scale: float = Field(default=7.5, ge=0, allow_inf_nan=False)
    safety_checker: bool = True
