"""The `[settings]` of a causal-lm card."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from gill_bench.models.precision import Precision


class Settings(BaseModel):
    """Precision and decoding.

    Attributes:
        dtype: Precision of the weights; "auto" is bfloat16 on an accelerator and float32 on a CPU.
        use_cache: Keep keys and values while text is generated; false = the authors' loop, which reads the whole
            sequence again with every token (protocol 1.12, 3.12). The texts are the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dtype: Precision = "auto"
    use_cache: bool = True
