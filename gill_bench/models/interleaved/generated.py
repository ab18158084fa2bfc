"""A generated sequence as texts and, where [IMG] tokens came, the states of pictures (protocol 1.13)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gill_bench.models.interleaved.decoding import Decoded, truncate_caption
from gill_bench.models.interleaved.tokens import LanguageTokens


@dataclass(frozen=True, slots=True)
class Generation:
    """An answer that may hold pictures.

    Attributes:
        ids: All generated ids, before anything was cut.
        texts: The text before each picture, cut as the authors do; without a picture the whole text.
        states: Last states (P, r, e) at the [IMG] tokens of P pictures, which give their conditioning and retrieval
            vectors. There are fewer pictures than texts where the last iteration emitted the [IMG] tokens, so that
            they were never read.
    """

    ids: tuple[int, ...]
    texts: tuple[str, ...]
    states: Tensor


def assemble(decoded: Decoded, tokens: LanguageTokens, max_num_rets: int) -> Generation:
    """Put an answer together.

    The sequence is cut at the first newline, unless that is its first token. Then the answer takes up to `max_num_rets`
    pictures, each with the text before it, and drops what follows the last picture, as the authors' code does.
    """
    count = len(tokens.image_ids)
    newline = decoded.ids.index(tokens.newline) if tokens.newline in decoded.ids else 0
    ids, states = (decoded.ids[:newline], decoded.states[:newline]) if newline else (decoded.ids, decoded.states)
    starts = [position for position, token in enumerate(ids) if token == tokens.image_ids[0]][:max_num_rets]
    begins = [0, *(start + count for start in starts)]
    texts = [truncate_caption(tokens.decode(ids[begin:start])) for begin, start in zip(begins, starts, strict=False)]
    read = [states[start : start + count] for start in starts if start + count <= len(states)]
    pictures = torch.stack(read) if read else states.new_empty(0, count, states.shape[1])
    return Generation(tuple(decoded.ids), tuple(texts or [truncate_caption(tokens.decode(ids))]), pictures)
