"""Tokenising prompts, and cutting those that are longer than the text encoder reads (protocol 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Truncation = Literal["right", "left", "left_authors"]


class ClipTokens(NamedTuple):
    """The tokens of N prompts, as a text encoder reads them.

    Attributes:
        ids: Token ids, (N, L) int64, padded to the length that the encoder reads.
        mask: Attention mask, (N, L) int64, 1 for tokens and 0 for padding.
        truncated: For each prompt, whether it was longer and was cut.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    truncated: list[bool]


def tokenize(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], truncation: Truncation, length: int
) -> ClipTokens:
    """Tokenise prompts to the length that the encoder reads.

    Args:
        tokenizer: A tokenizer that puts a first and a last token around the content, as CLIP's does.
        texts: The N prompts.
        truncation: "right" keeps the first L - 2 content tokens of a prompt that is too long. "left" keeps the last
            L - 2. "left_authors" decodes the last L and keeps the first L - 2 tokens of that text.
        length: Number of tokens that the encoder reads, L, with the first and last token.
    """
    content = [content_ids(tokenizer, text) for text in texts]
    truncated = [len(ids) + 2 > length for ids in content]
    kept = list(texts)
    if truncation == "left_authors":
        for index in (index for index, cut in enumerate(truncated) if cut):
            kept[index] = str(tokenizer.decode(content[index][-length:], skip_special_tokens=True))
    encoded = tokenizer(kept, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
    ids = encoded["input_ids"]
    if truncation == "left":
        for index in (index for index, cut in enumerate(truncated) if cut):
            ids[index, 1:-1] = torch.tensor(content[index][-(length - 2) :])
    return ClipTokens(ids, encoded["attention_mask"], truncated)


def content_ids(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """All tokens of a text, without the first and last token that the tokenizer adds."""
    ids: list[int] = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    return ids
