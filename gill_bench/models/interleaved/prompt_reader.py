"""What every model can do that reads prompts through OPT: continue them, and score text after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gill_bench.errors import InputError
from gill_bench.models.interleaved.decoding import greedy_texts
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.prompt_encoder import EncodedPrompt
from gill_bench.models.interleaved.scoring import AnswerScoring, continuation_ids, score_branches, score_each
from gill_bench.models.interleaved.tokens import LanguageTokens

if TYPE_CHECKING:
    from gill_bench.prompt import Prompt

BATCH = 8  # sequences in one pass of the language model


class Encoder(Protocol):
    """Turns prompts into what the language model reads."""

    def encode(self, prompts: Sequence[Prompt]) -> list[EncodedPrompt]:
        """Encode N prompts."""


class PromptReader:
    """A `TextGenerator` and `TextScorer`.

    Results do not depend on which prompts come together, up to the rounding of batched matrix products.

    Args:
        tokens: Tokenizer.
        language: Language model.
        encoder: Of prompts.
        bos_once: The same with BOS once only, for log-likelihood, whatever the setting (protocol 1.15).
        use_cache: See `LanguageModel.start`.
        answer_scoring: See there.
    """

    def __init__(
        self,
        tokens: LanguageTokens,
        language: LanguageModel,
        encoder: Encoder,
        bos_once: Encoder,
        *,
        use_cache: bool,
        answer_scoring: AnswerScoring,
    ) -> None:
        self.tokens = tokens
        self.language = language
        self._encoder = encoder
        self._bos_once = bos_once
        self._use_cache = use_cache
        self._answer_scoring = answer_scoring

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Continue prompts greedily, without pictures' tokens; each text is cut before the first stop string.

        Raises:
            InputError: A prompt with its continuation is longer than the language model reads.
        """
        texts: list[str] = []
        for place, encoded in self._encoded(prompts):
            sequences = [item.embeddings for item in encoded]
            texts += greedy_texts(
                self.language, self.tokens, sequences, max_new_tokens, stop, use_cache=self._use_cache, first=place
            )
        return texts

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, for rates."""
        return [len(self.tokens.encode(text)) for text in texts]

    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        """Score continuations of prompts: by default the sums of their tokens' log-probabilities (nats).

        Nothing stands between a prompt and its continuation. A prompt that is given several times, as the same object,
        is read once.

        Raises:
            InputError: A prompt with its continuation is too long.
        """
        if len(prompts) != len(continuations):
            raise ValueError(f"{len(prompts)} prompts and {len(continuations)} continuations")
        ids = [continuation_ids(self.tokens, text, self._answer_scoring) for text in continuations]
        groups: dict[int, list[int]] = {}
        for place, prompt in enumerate(prompts):
            groups.setdefault(id(prompt), []).append(place)
        scores: dict[int, float] = {}
        for group in groups.values():
            if len(group) > 1:
                [prefix] = self._prefixes(prompts, group, ids)
                found = score_branches(self.language, prefix, [ids[place] for place in group], self._answer_scoring)
                scores |= zip(group, found, strict=True)
        alone = [group[0] for group in groups.values() if len(group) == 1]
        for start in range(0, len(alone), BATCH):
            batch = alone[start : start + BATCH]
            prefixes = self._prefixes(prompts, batch, ids)
            found = score_each(self.language, prefixes, [ids[place] for place in batch], self._answer_scoring)
            scores |= zip(batch, found, strict=True)
        return [scores[place] for place in range(len(prompts))]

    @torch.inference_mode()
    def mean_log_likelihood(self, prompts: Sequence[Prompt]) -> list[float]:
        """Mean log-probability (nats) of each prompt's text tokens, given everything before them.

        The authors' `get_log_likelihood_scores` (protocol 1.15): BOS counts where a picture precedes it.

        Raises:
            InputError: A prompt has no text token that something precedes, or is too long.
        """
        scores = []
        for place, encoded in self._encoded(prompts, self._bos_once):
            self._require_room(place, [item.embeddings for item in encoded])
            rows = self.language.states([item.embeddings for item in encoded])
            for number, (states, item) in enumerate(zip(rows, encoded, strict=True), start=place):
                targets = item.labels[1:]
                if not prompts[number].texts or not bool((targets >= 0).any()):
                    raise InputError(f"prompt {number}: has no text to score")
                scores.append(-float(cross_entropy(self.language.logits(states[:-1]).float(), targets)))
        return scores

    def _prefixes(self, prompts: Sequence[Prompt], places: Sequence[int], ids: Sequence[Sequence[int]]) -> list[Tensor]:
        """Input embeddings of the different prompts at some places; their continuations fit behind them."""
        different = list({id(prompts[place]): prompts[place] for place in places}.values())
        with torch.inference_mode():
            encoded = self._encoder.encode(different)
        found = {id(prompt): item.embeddings for prompt, item in zip(different, encoded, strict=True)}
        for place in places:
            self.language.require_room(len(found[id(prompts[place])]) + len(ids[place]), f"prompt {place}")
        return list(found.values())

    def _encoded(
        self, prompts: Sequence[Prompt], encoder: Encoder | None = None
    ) -> Iterator[tuple[int, list[EncodedPrompt]]]:
        """Encoded prompts, a batch at a time, with the number of the first in it."""
        for place in range(0, len(prompts), BATCH):
            with torch.inference_mode():
                encoded = (encoder or self._encoder).encode(prompts[place : place + BATCH])
            yield place, encoded

    def _require_room(self, place: int, sequences: Sequence[Tensor]) -> None:
        for number, sequence in enumerate(sequences, start=place):
            self.language.require_room(len(sequence), f"prompt {number}")
