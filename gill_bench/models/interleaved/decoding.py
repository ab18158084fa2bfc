"""Generating text: batched greedy continuation, and one prompt as the authors' `generate` does it (protocol 1.12)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.tokens import LanguageTokens


@dataclass(frozen=True, slots=True)
class DecodingOptions:
    """How a prompt is continued; names and defaults are the authors'.

    Attributes:
        num_words: Number of iterations; each emits one token, or all [IMG] tokens at once. A picture takes at least 2:
            the first emits the tokens, the second reads them.
        min_word_tokens: Number of first iterations in which no [IMG] token can come.
        ret_scale_factor: Factor of the logit of [IMG0]; above 1, the logit's absolute value is multiplied by it.
        gen_scale_factor: A second factor of the same logit, since retrieval and generation share their tokens. FROMAGe
            has none.
        temperature: Temperature of the softmax from which tokens are drawn; 0 = take the likeliest token.
        top_p: Probability mass of the nucleus; must be 1 with temperature 0.
    """

    num_words: int
    min_word_tokens: int = 0
    ret_scale_factor: float = 1.0
    gen_scale_factor: float = 1.0
    temperature: float = 0.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.num_words < 1:
            raise ValueError(f"num_words = {self.num_words}, expected at least 1")
        if self.temperature < 0 or not 0 < self.top_p <= 1:
            raise ValueError(f"temperature = {self.temperature}, top_p = {self.top_p}, expected >= 0, and in 0..1")
        if self.temperature == 0 and self.top_p != 1:
            raise ValueError(f"top_p = {self.top_p} needs a temperature above 0")


@dataclass(frozen=True, slots=True)
class Decoded:
    """The continuation of one prompt.

    Attributes:
        ids: All generated ids, the [IMG] tokens included.
        states: Last states (S, e) of the S generated ids that were read; those of the last iteration are not read.
    """

    ids: list[int]
    states: Tensor


def scale_of_gill(logit: Tensor, options: DecodingOptions) -> Tensor:
    """Scale the logit of [IMG0] by both factors, as GILL does."""
    for factor in (options.ret_scale_factor, options.gen_scale_factor):
        if factor > 1:
            logit = logit.abs() * factor
    return logit


@torch.inference_mode()
def decode(
    language: LanguageModel,
    tokens: LanguageTokens,
    embeddings: Tensor,
    options: DecodingOptions,
    generator: torch.Generator | None = None,
    *,
    scale: Callable[[Tensor, DecodingOptions], Tensor] = scale_of_gill,
    use_cache: bool = True,
) -> Decoded:
    """Continue one sequence of input embeddings (T, e) for `num_words` iterations; end-of-text does not end it.

    Args:
        language: Language model.
        tokens: Tokenizer.
        embeddings: Input embeddings of the prompt.
        options: Options of the decoding.
        generator: Randomness for temperatures above 0; None = torch's global generator.
        scale: Function that changes the logit of a picture's first token.
        use_cache: Whether keys and values are kept; see `LanguageModel.start`.
    """
    first, *others = tokens.image_ids
    ids: list[int] = []
    states = [embeddings[:0]]
    pending: list[int] = []
    continuation = None
    for iteration in range(options.num_words):
        language.require_room(len(embeddings) + len(ids), "prompt")
        if continuation is None:
            continuation = language.start([embeddings], use_cache)
        else:
            states.append(continuation.read(language.embed(pending)[None])[0])
        logits = language.logits(continuation.last)[0]
        logits[others] = -torch.inf
        if iteration < options.min_word_tokens:
            logits[first] = -torch.inf
        else:
            logits[first] = scale(logits[first], options)
        token = choose(logits, options.temperature, options.top_p, generator)
        pending = tokens.image_ids if token == first else [token]
        ids += pending
    return Decoded(ids, torch.cat(states))


def choose(logits: Tensor, temperature: float, top_p: float, generator: torch.Generator | None = None) -> int:
    """Choose the next token from logits (vocabulary,): the likeliest, or one drawn from the nucleus.

    The nucleus is the smallest set of likeliest tokens whose probability exceeds `top_p`. Drawing uses the softmax,
    where the authors exponentiate the logits themselves: the same distribution, until the exponential overflows.
    """
    if temperature == 0:
        return int(logits.argmax())
    probabilities = (logits.float() / temperature).softmax(dim=-1)
    if top_p < 1:
        ordered, order = probabilities.sort(descending=True)
        before = ordered.cumsum(dim=0).roll(1)
        before[0] = 0
        probabilities[order[before > top_p]] = 0
    if generator is not None:
        probabilities = probabilities.to(generator.device)
    return int(torch.multinomial(probabilities, 1, generator=generator))


@torch.inference_mode()
def greedy_texts(
    language: LanguageModel,
    tokens: LanguageTokens,
    sequences: Sequence[Tensor],
    max_new_tokens: int,
    stop: Sequence[str],
    *,
    use_cache: bool = True,
    first: int = 0,
) -> list[str]:
    """Continue N sequences, each (T_i, e), with the likeliest token each time, but never a picture's token.

    Returns:
        N texts, each cut before the first occurrence of a stop string, else of `max_new_tokens` tokens. OPT's
        end-of-text does not end a text, as in the authors' code.

    Raises:
        InputError: A sequence would grow longer than the language model reads; its number is counted from `first`.
    """
    if max_new_tokens <= 0:
        return [""] * len(sequences)
    for number, sequence in enumerate(sequences, start=first):
        language.require_room(len(sequence) + max_new_tokens - 1, f"prompt {number}")
    continuation = language.start(sequences, use_cache)
    ids: list[list[int]] = [[] for _ in sequences]
    unfinished = ids
    for step in range(1, max_new_tokens + 1):
        logits = language.logits(continuation.last)
        logits[:, tokens.image_ids] = -torch.inf
        chosen = logits.argmax(dim=-1)
        for row, token in zip(unfinished, chosen.tolist(), strict=True):
            row.append(token)
        going_on = [
            number for number, row in enumerate(unfinished) if not (stop and _is_stopped(tokens.decode(row), stop))
        ]
        if not going_on or step == max_new_tokens:
            break
        if len(going_on) < len(unfinished):
            unfinished = [unfinished[number] for number in going_on]
            chosen = chosen[going_on]
            continuation.keep(going_on)
        continuation.read(language.embed(chosen)[:, None])
    return [cut(tokens.decode(row), stop) for row in ids]


def _is_stopped(text: str, stop: Sequence[str]) -> bool:
    return any(part and part in text for part in stop)


def cut(text: str, stop: Sequence[str]) -> str:
    """Cut a text before the first occurrence of a stop string.

    >>> cut("yes. no", [".", "e"])
    'y'
    """
    return text[: min((text.find(part) for part in stop if part and part in text), default=len(text))]


def truncate_caption(text: str) -> str:
    r"""Cut a generated text as the authors do: after its first line, else after its first period (protocol 1.13).

    >>> truncate_caption("\na dog. it runs")
    'a dog.'
    """
    text = text.strip("\n")
    end = text.find("\n") + 1 or text.find(".") + 1
    return text[:end] if end else text


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
