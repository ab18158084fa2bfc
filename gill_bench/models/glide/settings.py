"""The `[settings]` of a GLIDE card."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gill_bench.models.precision import Precision


class Settings(BaseModel):
    """Sampling and precision; the defaults are those of the authors' notebook.

    Attributes:
        dtype: Precision of convolutions, linear layers and embeddings: "auto" is float16 on an accelerator, as in the
            authors' code, and float32 on a CPU. Norms, time embedding and the last layer are always float32.
        guidance_scale: Strength of the base network's classifier-free guidance; 1 means none, 0 ignores the text. The
            upsampler has none.
        base_steps: Steps of the base network, evenly spaced, sampled with DDPM.
        upsample_steps: Steps of the upsampler, evenly spaced, sampled with DDIM; "fast27" is the authors' schedule of
            27 steps.
        upsample_temperature: Factor that scales the noise with which the upsampler begins.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Precision = "auto"
    guidance_scale: float = Field(default=3.0, ge=0, allow_inf_nan=False)
    base_steps: int = Field(default=100, ge=2, le=1000)
    upsample_steps: Literal["fast27"] | int = "fast27"
    upsample_temperature: float = Field(default=0.997, ge=0, allow_inf_nan=False)

    @field_validator("upsample_steps")
    @classmethod
    def _bounded(cls, value: Literal["fast27"] | int) -> Literal["fast27"] | int:
        if isinstance(value, int) and not 2 <= value <= 1000:
            raise ValueError("expected 'fast27' or a number from 2 to 1000")
        return value
