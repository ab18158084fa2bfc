"""The reader of every model that reads prompts through OPT: it continues prompts, and scores text after them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gill_bench.errors import InputError
from gill_bench.models.interleaved.decoding import greedy_texts
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.prompt_encoder import EncodedPrompt
from gill_bench.models.interleaved.scoring import (
    POSITIONS,
    AnswerScoring,
    continuation_ids,
    score_branches,
    score_each,
)
from gill_bench.models.interleaved.tokens import LanguageTokens

if TYPE_CHECKING:
    from gill_bench.prompt import Prompt


Encode = Callable[[Sequence["Prompt"]], list[EncodedPrompt]]
"""Turns N prompts into input embeddings of the language model."""


class PromptReader:
    """A `TextGenerator` and `TextScorer`.

    Results do not depend on which prompts share a batch, up to the rounding of batched matrix products.

    Args:
        tokens: Tokenizer.
        language: Language model.
        encode: Encodes prompts.
        bos_once: Encodes them with BOS once only, whatever the setting, for log-likelihoods (protocol 1.15).
        use_cache: Whether keys and values are kept while text is generated; see `LanguageModel.start`.
        answer_scoring: How continuations are scored; see `AnswerScoring`.
    """

    def __init__(
        self,
        tokens: LanguageTokens,
        language: LanguageModel,
        encode: Encode,
        bos_once: Encode,
        *,
        use_cache: bool,
        answer_scoring: AnswerScoring,
    ) -> None:
        self.tokens = tokens
        self.language = language
        self._encode = encode
        self._bos_once = bos_once
        self._use_cache = use_cache
        self._answer_scoring = answer_scoring

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Continue prompts with the likeliest tokens, never a picture's; cut each text before the first stop string."""
        texts: list[str] = []
        for first, encoded in self._encoded(prompts, room=max_new_tokens):
            sequences = [item.embeddings for item in encoded]
            texts += greedy_texts(
                self.language, self.tokens, sequences, max_new_tokens, stop, use_cache=self._use_cache, first=first
            )
        return texts

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text, for tokens per second."""
        return [len(self.tokens.encode(text)) for text in texts]

    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        """Score continuations of prompts: by default the sums of their tokens' log-probabilities (nats).

        No token stands between a prompt and its continuation. A prompt that is given several times as the same object
        is read once.

        Raises:
            InputError: A prompt with its continuation is too long.
        """
        if len(prompts) != len(continuations):
            raise ValueError(f"{len(prompts)} prompts and {len(continuations)} continuations, expected one for each")
        ids = [continuation_ids(self.tokens, text, self._answer_scoring) for text in continuations]
        groups: dict[int, list[int]] = {}
        for number, prompt in enumerate(prompts):
            groups.setdefault(id(prompt), []).append(number)
        scores: dict[int, float] = {}
        for group in groups.values():
            if len(group) > 1:
                [prefix] = self._prefixes(prompts, group, ids)
                rows = [ids[number] for number in group]
                branches = score_branches(self.language, prefix, rows, self._answer_scoring)
                scores |= zip(group, branches, strict=True)
        single = [group[0] for group in groups.values() if len(group) == 1]
        prefixes = self._prefixes(prompts, single, ids) if single else []
        lengths = [len(prefix) + len(ids[number]) for prefix, number in zip(prefixes, single, strict=True)]
        for part in passes(lengths):
            rows = [ids[number] for number in single[part]]
            scores |= zip(
                single[part], score_each(self.language, prefixes[part], rows, self._answer_scoring), strict=True
            )
        return [scores[number] for number in range(len(prompts))]

    @torch.inference_mode()
    def mean_log_likelihood(self, prompts: Sequence[Prompt]) -> list[float]:
        """Mean log-probability (nats) of each prompt's text tokens, given everything before them.

        This is the authors' `get_log_likelihood_scores` (protocol 1.15): BOS counts where a picture precedes it.

        Raises:
            InputError: A prompt has no text after its first position, or is too long.
        """
        scores = []
        for first, encoded in self._encoded(prompts, self._bos_once):
            self._require_room(first, [item.embeddings for item in encoded])
            rows = self.language.states([item.embeddings for item in encoded])
            for number, (states, item) in enumerate(zip(rows, encoded, strict=True), start=first):
                targets = item.labels[1:]
                if not prompts[number].texts or not bool((targets >= 0).any()):
                    raise InputError(f"prompt {number}: has no text to score")
                scores.append(-float(cross_entropy(self.language.logits(states[:-1]).float(), targets)))
        return scores

    def _prefixes(
        self, prompts: Sequence[Prompt], numbers: Sequence[int], ids: Sequence[Sequence[int]]
    ) -> list[Tensor]:
        """Input embeddings of each distinct prompt, after a check that the continuations fit behind it."""
        different = list({id(prompts[number]): prompts[number] for number in numbers}.values())
        with torch.inference_mode():
            encoded = self._encode(different)
        prefixes = {id(prompt): item.embeddings for prompt, item in zip(different, encoded, strict=True)}
        for number in numbers:
            self.language.require_room(len(prefixes[id(prompts[number])]) + len(ids[number]), f"prompt {number}")
        return list(prefixes.values())

    def _encoded(
        self, prompts: Sequence[Prompt], encode: Encode | None = None, room: int = 0
    ) -> Iterator[tuple[int, list[EncodedPrompt]]]:
        """Encoded prompts, as many as go through the language model in one pass, with the number of the first.

        Each prompt needs so much room behind it; without `encode` it is the model's usual one.
        """
        with torch.inference_mode():
            encoded = (encode or self._encode)(prompts) if prompts else []
        for part in passes([len(item.embeddings) + room for item in encoded]):
            yield part.start, encoded[part]

    def _require_room(self, first: int, sequences: Sequence[Tensor]) -> None:
        for number, sequence in enumerate(sequences, start=first):
            self.language.require_room(len(sequence), f"prompt {number}")


def passes(lengths: Sequence[int]) -> Iterator[slice]:
    """Parts of a sequence of prompts that go through the language model in one pass, of at most `POSITIONS` positions.

    Padding counts: a pass has as many positions as prompts times the longest. A single prompt is always a pass.

    >>> list(passes([3000, 2000, 2000, 9000]))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    start = longest = 0
    for number, length in enumerate(lengths):
        longest = max(longest, length)
        if number > start and (number - start + 1) * longest > POSITIONS:
            yield slice(start, number)
            start, longest = number, length
    if lengths:
        yield slice(start, len(lengths))
