"""Texts as GLIDE reads them: GPT-2's byte-level BPE on lower-cased text (protocol 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from gill_bench.errors import InputError
from gill_bench.models.glide.files import find_tokenizer_files
from gill_bench.weights.checkpoints import first_line


class GlideTokens(NamedTuple):
    """What a text transformer is given.

    Attributes:
        ids: (N, L) int64, padded on the right.
        mask: (N, L) bool, False for padding.
        truncated: For each text, whether it was longer and lost its end.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    truncated: list[bool]


class GlideTokenizer:
    """The tokenizer: no token stands before or after a text, and `<|endoftext|>` in one is text like any other.

    Args:
        folder: With vocabulary and merges, as checked by `find_tokenizer_files`.
        context: L, tokens that the text transformer reads.
        padding_id: Fills up; what it is does not matter to the networks.

    Raises:
        InputError: The files cannot be read.
    """

    def __init__(self, folder: Path, context: int, padding_id: int) -> None:
        from tokenizers import Tokenizer
        from tokenizers.models import BPE
        from tokenizers.pre_tokenizers import ByteLevel

        vocabulary, merges = find_tokenizer_files(folder)
        try:
            self._tokenizer = Tokenizer(BPE.from_file(str(vocabulary), str(merges)))
        except Exception as error:
            # The tokenizers library raises bare Exception for damaged files.
            raise InputError(f"{vocabulary}, {merges.name}: cannot be read: {first_line(error)}") from error
        self._tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
        self.context = context
        self.padding_id = padding_id

    def __call__(self, texts: Sequence[str]) -> GlideTokens:
        """Tokenise N texts."""
        encoded = [list(self._tokenizer.encode(text.lower()).ids) for text in texts]
        ids = torch.full((len(texts), self.context), self.padding_id)
        mask = torch.zeros(ids.shape, dtype=torch.bool)
        for place, known in enumerate(encoded):
            kept = known[: self.context]
            ids[place, : len(kept)] = torch.tensor(kept, dtype=torch.int64)
            mask[place, : len(kept)] = True
        return GlideTokens(ids, mask, [len(known) > self.context for known in encoded])
