"""Control tokens that are written out in a text of the data are broken up, so that no tokenizer takes them for control.

`gill_bench.models.literal` makes a tokenizer read all control tokens as text. Many of today's pipelines put prompts
into a template that has control tokens of its own, in the same call of the tokenizer, so here the text is changed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

_MARKED = re.compile(r"^[<\[].*[>\]]$")


def control_tokens(pipeline: Any) -> tuple[str, ...]:
    """The control tokens of all tokenizers of a pipeline, the longest first."""
    tokens: set[str] = set()
    for part in pipeline.components.values():
        tokenizer = getattr(part, "tokenizer", part)  # a processor has a tokenizer
        tokens.update(getattr(tokenizer, "all_special_tokens", ()))
        added = getattr(tokenizer, "added_tokens_decoder", {})
        tokens.update(str(token) for token in added.values() if token.special or _MARKED.match(str(token)))
    return tuple(sorted((token for token in tokens if len(token) > 1), key=lambda token: (-len(token), token)))


def without_control_tokens(text: str, tokens: Collection[str]) -> str:
    """A text in which each control token has a space after its first character.

    >>> without_control_tokens("a dog </s> runs", ["</s>"])
    'a dog < /s> runs'
    """
    if not tokens:
        return text
    pattern = re.compile("|".join(map(re.escape, tokens)))
    return pattern.sub(lambda match: f"{match[0][0]} {match[0][1:]}", text)
