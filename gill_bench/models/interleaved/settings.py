"""The settings of GILL's cards, and those that it shares with FROMAGe's."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.models.diffusers.schedulers import SchedulerName

Precision = Literal["auto", "float32", "float16", "bfloat16"]


class ReadingSettings(BaseModel):
    """Precision, picture preprocessing, and how prompts are read and continued.

    Attributes:
        dtype: Of language model, visual encoder and heads; "auto" = bfloat16 on an accelerator, float32 on a CPU.
        input_resize: "squash" = pictures of a prompt to `squash_size` without keeping their aspect, as in every
            evaluation script; "clip" = only the resize and centre crop of CLIP (protocol 1.3).
        squash_size: In pixels.
        always_add_bos: Begin every text segment of a prompt, not only the first, with BOS (protocol 1.11).
        use_cache: Keep keys and values while text is generated; false = the authors' loop, which reads everything again
            with every token (protocol 1.12, 3.12). The texts are the same.
        answer_scoring: How continuations are scored: "shifted" = the log-likelihood of their tokens, "fromage_compat" =
            as FROMAGe's script ranks answers (protocol 3.6).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Precision = "auto"
    input_resize: Literal["squash", "clip"] = "squash"
    squash_size: int = Field(default=224, gt=0, le=4096)
    always_add_bos: bool = False
    use_cache: bool = True
    answer_scoring: Literal["shifted", "fromage_compat"] = "shifted"


class Settings(ReadingSettings):
    """Those, and the image decoder.

    Attributes:
        image_decoder_dtype: "auto" = float16 on an accelerator, float32 on a CPU.
        scheduler: Sampler of the image decoder; "default" is the one shipped with it.
        num_inference_steps: Steps of the sampler.
        guidance_scale: Classifier-free guidance.
        safety_checker: Whether flagged pictures are blackened.
    """

    image_decoder_dtype: Precision = "auto"
    scheduler: SchedulerName = "default"
    num_inference_steps: int = Field(default=50, gt=0, le=1000)
    guidance_scale: float = Field(default=7.5, ge=0, allow_inf_nan=False)
    safety_checker: bool = True
