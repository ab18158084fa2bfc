"""The `[settings]` of an image-text-to-text card."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.models.precision import Precision

NO_TEMPLATE = "none"


class Settings(BaseModel):
    """Precision, and how a prompt is put to the model.

    Attributes:
        dtype: Precision of the weights; "auto" is bfloat16 on an accelerator and float32 on a CPU.
        system: The system message of a chat; "" for none. A template that ignores it is refused.
        template: "" = the chat template of the files, or the plain prompt where they have none; "none" = the plain
            prompt in any case; else the name of one of several templates of the files, or a template in Jinja.
        max_pixels: Larger pictures are shrunk to at most so many pixels, with their aspect; 0 = as the files say.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Precision = "auto"
    system: str = ""
    template: str = ""
    max_pixels: int = Field(default=0, ge=0)
