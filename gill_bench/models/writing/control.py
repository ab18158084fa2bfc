"""Control tokens that are written out in a text of the data, for models whose own control tokens stand beside it.

`models.literal` makes a whole tokenizer read them as text. Where a chat template or a processor writes control tokens
around the text of the data, only those of the data must be text: there they are broken by a space after their first
character, which no tokenizer puts together again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_SPACE = "\u2581"  # the character that stands for a space in SentencePiece's tokens


class ControlTokens:
    """The tokens that a text of the data must not write.

    Args:
        tokenizer: The model's tokenizer.
        also: Further names, such as that of the token for a picture.
        template: The chat template: added tokens in it are control tokens too.
    """

    def __init__(self, tokenizer: Any, also: Iterable[str] = (), template: str = "") -> None:
        added = tokenizer.added_tokens_decoder.values()
        names = {token.content for token in added if token.special or token.content in template}
        names |= {*tokenizer.all_special_tokens, *also}
        self._names = sorted((name for name in names if len(name.strip()) > 1), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, self._names)) if self._names else r"(?!)")
        ids = {*tokenizer.convert_tokens_to_ids(self._names)} - {tokenizer.unk_token_id, None}
        self._ids = torch.tensor(sorted(ids), dtype=torch.long)

    def within(self, text: str) -> bool:
        """Whether a text holds a control token."""
        return self._pattern.search(text) is not None

    def broken(self, text: str) -> str:
        """A text in which each control token has a space after its first character."""
        return self._pattern.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)

    def count(self, ids: Tensor) -> int:
        """The number of control tokens among ids."""
        return int(torch.isin(ids.cpu(), self._ids).sum())


def continuation_ids(tokenizer: Any, text: str) -> list[int]:
    """The ids of a text that continues a prompt, whose own ids are the same whatever follows them.

    The text is tokenised by itself, without special tokens. Tokenizers that put a space before every text (Llama's)
    would double the space with which a text begins: that one is left to them.
    """

    def ids_of(part: str) -> list[int]:
        ids: list[int] = tokenizer(part, add_special_tokens=False)["input_ids"]
        return ids

    puts_space = str(tokenizer.convert_ids_to_tokens(ids_of("a"))[0]).startswith(_SPACE) if ids_of("a") else False
    return ids_of(text[1:] if puts_space and text.startswith(" ") and text.strip() else text)
