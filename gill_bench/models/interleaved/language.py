"""The frozen OPT: embeddings, states after the final norm, and logits (protocol 1.5).

Every model that reads prompts through OPT uses this: GILL, FROMAGe, and OPT by itself.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear
from torch.nn.utils.rnn import pad_sequence

from gill_bench.errors import InputError
from gill_bench.models.interleaved.loading import freeze, shared_network

_OLD, _NEW = "past_key_values", "cache"


class LanguageModel:
    """OPT, with a model's own rows for [IMG] or [RET] at the end of the tied embedding table.

    The authors resize the table and write into it. Here the table is left unchanged, because other models in this
    process may share it; the rows that the authors would write or append are kept beside it.

    Args:
        model: An `OPTForCausalLM`.
        vocabulary: Number of tokens with the additions, which may be smaller than the number of the table's rows.
            None = the number of the table's rows.
        image_embeddings: Rows (r, e) that replace the last r rows. None = nothing is replaced.
    """

    def __init__(self, model: Any, vocabulary: int | None = None, image_embeddings: Tensor | None = None) -> None:
        self._model: Any = freeze(model)
        self._decoder: Any = model.model.decoder
        table = model.get_input_embeddings().weight
        own = table[:0] if image_embeddings is None else image_embeddings.detach().to(table)
        before_own = (len(table) if vocabulary is None else vocabulary) - len(own)
        # Zeros where the table ends before the added tokens begin, which OPT's does not.
        self._own: Tensor = torch.cat([table.new_zeros(max(before_own - len(table), 0), own.shape[1]), own])
        self._table: Tensor = table[:before_own]
        self._head: Tensor = model.lm_head.weight[:before_own]  # equals the table in every published OPT

    @classmethod
    def load(
        cls,
        folder: Path,
        dtype: torch.dtype,
        device: str,
        vocabulary: int | None = None,
        image_embeddings: Tensor | None = None,
    ) -> LanguageModel:
        """Load from an OPT folder."""
        from transformers import OPTForCausalLM

        return cls(shared_network(OPTForCausalLM, folder, dtype, device), vocabulary, image_embeddings)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        device: torch.device = self._model.device
        return device

    @property
    def positions(self) -> int:
        """Length of the longest sequence that the model reads."""
        return int(self._model.config.max_position_embeddings)

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        dtype: torch.dtype = self._model.dtype
        return dtype

    def embed(self, ids: Sequence[int] | Tensor) -> Tensor:
        """Input embeddings (T, e) of T ids."""
        rows = torch.as_tensor(ids, dtype=torch.long, device=self.device)
        if not len(self._own):
            return embedding(rows, self._table)
        last = len(self._table) - 1
        embeddings = embedding(rows.clamp(max=last), self._table)
        own = rows > last
        embeddings[own] = self._own[rows[own] - last - 1]
        return embeddings

    def states(self, sequences: Sequence[Tensor]) -> list[Tensor]:
        """Last states, after the final norm, of N sequences of input embeddings, each (T_i, e).

        Returns:
            The states of each sequence, (T_i, e). Padding stands on the right, where causal attention never looks, so
            that no mask is needed and a sequence goes through the same kernels as it would alone.
        """
        padded = pad_sequence(list(sequences), batch_first=True)
        states = self._decoder(inputs_embeds=padded, use_cache=False).last_hidden_state
        return [row[: len(sequence)] for row, sequence in zip(states, sequences, strict=True)]

    def start(self, sequences: Sequence[Tensor], use_cache: bool = True) -> Continuation:
        """Read N sequences, and return a `Continuation` that can read further tokens.

        Args:
            sequences: Input embeddings, each (T_i, e).
            use_cache: Whether keys and values are kept. Without them, the whole sequence is read again with every
                token, as in the authors' loop (protocol 1.12): the same states, but slower.
        """
        return CachedContinuation(self._decoder, sequences) if use_cache else RereadContinuation(self, sequences)

    def branches(self, sequence: Tensor) -> Branches:
        """Read one sequence (T, e), and return a reader of many continuations of it."""
        return Branches(self._decoder, [sequence])

    def logits(self, states: Tensor) -> Tensor:
        """Logits (..., vocabulary) of states (..., e), in the model's precision."""
        logits = linear(states, self._head)
        return torch.cat([logits, linear(states, self._own)], dim=-1) if len(self._own) else logits

    def require_room(self, length: int, what: str) -> None:
        """Check that a sequence is not too long.

        Raises:
            InputError: The sequence is longer than the model reads.
        """
        if length > self.positions:
            raise InputError(
                f"{what}: {length} tokens (text, pictures and what is generated), but the language model reads at most"
                f" {self.positions}; shorten the context"
            )


class RereadContinuation:
    """Sequences that are read again from their beginning with every continuation."""

    def __init__(self, language: LanguageModel, sequences: Sequence[Tensor]) -> None:
        self._language = language
        self._sequences = list(sequences)
        self.last = torch.stack([states[-1] for states in language.states(self._sequences)])

    def read(self, embeddings: Tensor) -> Tensor:
        """Read further input embeddings (N, S, e); returns their states (N, S, e)."""
        pairs = zip(self._sequences, embeddings, strict=True)
        self._sequences = [torch.cat([sequence, added]) for sequence, added in pairs]
        states = torch.stack([row[-embeddings.shape[1] :] for row in self._language.states(self._sequences)])
        self.last = states[:, -1]
        return states

    def keep(self, numbers: Sequence[int]) -> None:
        """Keep these of the N sequences, and drop the others."""
        self._sequences = [self._sequences[number] for number in numbers]
        self.last = self.last[list(numbers)]


class CachedContinuation:
    """Sequences that are read once; their keys and values are kept for the continuations.

    A shorter sequence is padded at its end, so padding stands between it and its continuation; it is masked, and
    positions skip it.
    """

    def __init__(self, decoder: Any, sequences: Sequence[Tensor]) -> None:
        self._decoder, self._argument = decoder, argument_of(decoder)
        lengths = [len(sequence) for sequence in sequences]
        # Without padding there is no mask: a single sequence goes through the same kernels as in `states`.
        self._mask: Tensor | None = None
        if len(set(lengths)) > 1:
            ones = [torch.ones(length, dtype=torch.long, device=sequences[0].device) for length in lengths]
            self._mask = pad_sequence(ones, batch_first=True)
        padded = pad_sequence(list(sequences), batch_first=True)
        output = decoder(inputs_embeds=padded, attention_mask=self._mask, use_cache=True)
        self._cache = cache_of(output)
        ends = torch.tensor(lengths, device=padded.device) - 1
        self.last: Tensor = output.last_hidden_state[torch.arange(len(lengths), device=padded.device), ends]

    def read(self, embeddings: Tensor) -> Tensor:
        """Read further input embeddings (N, S, e); returns their states (N, S, e)."""
        if self._mask is not None:
            self._mask = torch.cat([self._mask, self._mask.new_ones(embeddings.shape[:2])], dim=1)
        output = self._decoder(
            inputs_embeds=embeddings, attention_mask=self._mask, use_cache=True, **{self._argument: self._cache}
        )
        states: Tensor = output.last_hidden_state
        self.last = states[:, -1]
        return states

    def keep(self, numbers: Sequence[int]) -> None:
        """Keep these of the N sequences, and drop the others."""
        rows = torch.tensor(numbers, device=self.last.device)
        self._cache.batch_select_indices(rows)
        self._mask = None if self._mask is None else self._mask[rows]
        self.last = self.last[rows]


Continuation = RereadContinuation | CachedContinuation
"""Sequences that were read and can be continued; from `last`, the last state of each (N, e), follows its next token."""


class Branches(CachedContinuation):
    """Many continuations of one sequence of input embeddings (T, e), whose keys and values are computed once."""

    def states(self, continuations: Sequence[Tensor]) -> list[Tensor]:
        """Last states of N continuations, each (S_i, e), not all empty.

        Returns:
            The states of each continuation, (S_i, e). Padding stands on the right, where causal attention never looks.
        """
        padded = pad_sequence(list(continuations), batch_first=True)
        cache = deepcopy(self._cache)  # reading extends it
        cache.batch_repeat_interleave(len(continuations))
        states = self._decoder(inputs_embeds=padded, use_cache=True, **{self._argument: cache}).last_hidden_state
        return [row[: len(continuation)] for row, continuation in zip(states, continuations, strict=True)]


def argument_of(decoder: Any) -> str:
    """The name of the argument by which a decoder takes its cache: `cache` since transformers 5.24."""
    # Newer versions take the old name too, with a warning. The class is inspected, since the object's method may be
    # wrapped.
    return _NEW if _NEW in inspect.signature(type(decoder).forward).parameters else _OLD


def cache_of(output: Any) -> Any:
    """The cache of keys and values in a decoder's output."""
    return output[_NEW] if _NEW in output else output[_OLD]
