"""Texts of the data are text: what looks like a control token in one is read as the characters that it is written with.

A tokenizer of transformers takes `</s>` or `<|endoftext|>` in a caption for the token of this name, which ends, pads or
begins a text. No caption means that, so every tokenizer that reads prompts goes through `literal`; tokens that stand
before and after a text are added by the tokenizer as before. Other texts have the same ids as ever.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

T = TypeVar("T")


def literal(tokenizer: T) -> T:
    """The same tokenizer, which from now on reads its special tokens in texts as text."""
    changed: Any = tokenizer
    changed.split_special_tokens = True
    backend = getattr(changed, "backend_tokenizer", None)
    if type(getattr(backend, "model", None)).__name__ == "Unigram":
        _rename_special_pieces(changed, backend)
    return tokenizer


def _rename_special_pieces(tokenizer: Any, backend: Any) -> None:
    """Take special tokens out of reach of T5's model, whose pieces they are too.

    They keep their ids, by which the tokenizer adds them, and their scores, on which those of unknown characters
    depend; but no text is written as they are now.
    """
    from tokenizers.models import Unigram

    model = json.loads(backend.to_str())["model"]
    special = set(tokenizer.all_special_tokens) - {tokenizer.unk_token}
    pieces = [(f"\0{piece}\0" if piece in special else piece, score) for piece, score in model["vocab"]]
    backend.model = Unigram(pieces, unk_id=model["unk_id"], byte_fallback=model.get("byte_fallback", False))
