"""GLIDE's tokenizer: GPT-2's byte-level BPE on lower-cased text (protocol 5.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from gill_bench.errors import InputError, first_line
from gill_bench.models.glide.files import find_tokenizer_files


class GlideTokens(NamedTuple):
    """The tokens of N texts, as a text transformer reads them.

    Attributes:
        ids: Token ids, (N, L) int64, padded on the right.
        mask: (N, L) bool, False for padding.
        truncated: For each text, whether it was longer and lost its end.
    """

    ids: torch.Tensor
    mask: torch.Tensor
    truncated: list[bool]


class GlideTokenizer:
    """Tokenises texts: no token stands before or after a text, and `<|endoftext|>` in a text is read as text.

    Args:
        folder: Folder with the files of vocabulary and merges, which `find_tokenizer_files` names.
        context: Number of tokens that the text transformer reads, L.
        padding_id: Id of padding; the networks mask it, so that any id will do.

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
        for row, tokens in enumerate(encoded):
            kept = tokens[: self.context]
            ids[row, : len(kept)] = torch.tensor(kept, dtype=torch.int64)
            mask[row, : len(kept)] = True
        return GlideTokens(ids, mask, [len(tokens) > self.context for tokens in encoded])
