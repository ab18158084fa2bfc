"""GLIDE (filtered), 64 then 256 pixels: a text-only baseline of Tables 1, 2 and 8 (protocol 5).

No maintained library provides its networks, so they are ours: small, and compared key by key and number by number with
what the protocol says. The weights are the official `base.pt` and `upsample.pt` in one folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from gill_bench.errors import InputError
from gill_bench.interfaces import ImageGenerator

__all__ = ["Settings", "check", "load"]

COMPONENTS = ("checkpoint", "tokenizer")


class Settings(BaseModel):
    """Sampling and precision; the defaults are those of the authors' notebook.

    Attributes:
        dtype: Of convolutions, linear layers and embeddings: "auto" is float16 on an accelerator, as the authors', and
            float32 on a CPU. Norms, time embedding and the last layer are float32 always.
        guidance_scale: Classifier-free guidance of the base network; 1 means none, 0 ignores the text. The upsampler
            has none.
        base_steps: Steps of the base network, evenly spaced, DDPM.
        upsample_steps: Steps of the upsampler, evenly spaced, DDIM; "fast27" is the authors' schedule of 27.
        upsample_temperature: Factor of the upsampler's first noise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
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


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check files, and the keys and shapes in them, before anything is loaded.

    Raises:
        InputError: A file is missing, cut off or of another model; names the file, and the keys.
    """
    _expect_components(weights)
    from gill_bench.models.glide.checking import check_weights

    check_weights(weights["checkpoint"], weights["tokenizer"])


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> ImageGenerator:
    """Load both networks and the tokenizer.

    Raises:
        InputError: The weights are damaged, incomplete or of another model.
    """
    _expect_components(weights)
    from gill_bench.models.glide.generator import load_generator

    return load_generator(weights["checkpoint"], weights["tokenizer"], settings, device)


def _expect_components(weights: Mapping[str, Path]) -> None:
    if set(weights) != set(COMPONENTS):
        raise InputError(f"weights: expected {' and '.join(map(repr, COMPONENTS))}, got {sorted(weights)}")
