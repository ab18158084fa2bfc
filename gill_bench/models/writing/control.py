"""Control tokens that are written out in a text of the data, for models whose own control tokens stand beside it.

`models.literal` makes a whole tokenizer read them as text. Where a chat template or a processor writes control tokens
around the text of the data, only those of the data must be text: there they are broken by a space after their first
character, which no tokenizer puts together again. Many pipelines of diffusers use such templates too, in the same call
of the tokenizer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

_MARKED = re.compile(r"^[<\[].*[>\]]$")
_SPACE = "\u2581"  # the character that stands for a space in SentencePiece's tokens


def any_of(tokens: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds control tokens in a text; where one token begins another, it finds the longer."""
    return re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)")


def broken(text: str, tokens: re.Pattern[str]) -> str:
    """A text in which each control token has a space after its first character.

    >>> broken("a dog </s> runs", any_of(["</s>"]))
    'a dog < /s> runs'
    """
    return tokens.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)


def control_tokens(pipeline: Any) -> re.Pattern[str]:
    """The control tokens of all tokenizers of a pipeline."""
    tokens: set[str] = set()
    for part in pipeline.components.values():
        tokenizer = getattr(part, "tokenizer", part)  # a processor has a tokenizer
        tokens.update(getattr(tokenizer, "all_special_tokens", ()))
        added = getattr(tokenizer, "added_tokens_decoder", {})
        tokens.update(str(token) for token in added.values() if token.special or _MARKED.match(str(token)))
    return any_of(token for token in tokens if len(token) > 1)


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
        self._names = [name for name in names if len(name.strip()) > 1]
        self._pattern = any_of(self._names)
        ids = {*tokenizer.convert_tokens_to_ids(self._names)} - {tokenizer.unk_token_id, None}
        self._ids = torch.tensor(sorted(ids), dtype=torch.long)

    def within(self, text: str) -> bool:
        """Whether a text holds a control token."""
        return self._pattern.search(text) is not None

    def broken(self, text: str) -> str:
        """The text with its control tokens broken."""
        return broken(text, self._pattern)

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
