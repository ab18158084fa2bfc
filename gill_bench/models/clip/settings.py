"""The `[settings]` of a CLIP card."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """How a prompt becomes a query.

    Attributes:
        fusion: "text" = embed the prompt's text alone and ignore its pictures. "mean" = take the mean of the
            L2-normalised embeddings of the text and of each picture, all with equal weight, and normalise it again.
            "pictures" = as "mean", of the pictures alone: all that an encoder without a text tower reads.
        dtype: Precision of both towers. Embeddings are normalised in float32.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fusion: Literal["text", "mean", "pictures"] = "text"
    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
