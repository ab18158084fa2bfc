"""The settings that the cards of GILL and of FROMAGe share."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gill_bench.models.precision import Precision


class ReadingSettings(BaseModel):
    """Precision, picture preprocessing, and how prompts are read and continued.

    Attributes:
        dtype: Precision of the language model, the visual encoder and the trained heads; "auto" = bfloat16 on an
            accelerator, float32 on a CPU.
        input_resize: "squash" = resize a prompt's pictures to `squash_size` without keeping their aspect, as in every
            evaluation script; "clip" = only the resize and centre crop of CLIP (protocol 1.3).
        squash_size: Side of a squashed picture in pixels.
        always_add_bos: Begin every text segment of a prompt, not only the first, with BOS (protocol 1.11).
        use_cache: Keep keys and values while text is generated; false = the authors' loop, which reads the whole
            sequence again with every token (protocol 1.12, 3.12). The texts are the same.
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

    @property
    def squashed_to(self) -> int:
        """Side of a squashed picture in pixels; 0 where pictures are not squashed."""
        return self.squash_size if self.input_resize == "squash" else 0
