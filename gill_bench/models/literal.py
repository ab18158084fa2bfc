"""Control tokens that are written out in a text of the data, such as `</s>`, are read as ordinary characters.

A tokenizer of transformers reads `</s>` or `<|endoftext|>` in a caption as the token of this name, which ends, pads or
begins a text. No caption means that, so every tokenizer that reads prompts goes through `literal`. The tokenizer still
adds the tokens before and after a text, and the ids of all other texts are unchanged.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

T = TypeVar("T")


def literal(tokenizer: T) -> T:
    """Make a tokenizer read its special tokens in texts as text, and return it."""
    changed: Any = tokenizer
    changed.split_special_tokens = True
    backend = getattr(changed, "backend_tokenizer", None)
    if type(getattr(backend, "model", None)).__name__ == "Unigram":
        _rename_special_pieces(changed, backend)
    return tokenizer


def _rename_special_pieces(tokenizer: Any, backend: Any) -> None:
    """Rename the special tokens among the pieces of T5's model, so that no text contains one.

    The pieces keep their ids, by which the tokenizer adds them, and their scores, on which the scores of unknown
    characters depend.
    """
    from tokenizers.models import Unigram

    model = json.loads(backend.to_str())["model"]
    special = set(tokenizer.all_special_tokens) - {tokenizer.unk_token}
    pieces = [(f"\0{piece}\0" if piece in special else piece, score) for piece, score in model["vocab"]]
    backend.model = Unigram(pieces, unk_id=model["unk_id"], byte_fallback=model.get("byte_fallback", False))
