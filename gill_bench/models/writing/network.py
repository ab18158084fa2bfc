"""A network of transformers that writes text, of any class: greedy continuations, and log-likelihoods of given ones.

Both go through the class's own `generate`, which knows where its pictures stand, which mask its prompt has and how its
cache grows. A given continuation is forced token by token, and each token's log-probability is read before it is
forced: the score is the one that decoding itself would see, for decoders and for encoder-decoders alike.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    GenerationConfig,
    GenerationMixin,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from gill_bench.errors import InputError
from gill_bench.models.interleaved.decoding import cut
from gill_bench.models.interleaved.loading import shared_network
from gill_bench.prompt import Prompt

BATCH = 8  # sequences in one pass
_TOKEN_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
_END_IN_GENERATE = ("blip",)  # model types whose `generate` itself takes off the end token of a prompt


class TextNetwork:
    """A network that writes text after prepared inputs.

    Args:
        model: A network of transformers with `generate`.
        tokenizer: Its tokenizer, which gets a padding token if it has none.
        use_cache: Whether keys and values are kept while text is generated.

    Attributes:
        ends: Ids of the tokens that end a text.
    """

    def __init__(self, model: Any, tokenizer: Any, use_cache: bool = True) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._options: dict[str, Any] = {} if use_cache else {"use_cache": False}
        parts = (model, getattr(model, "language_model", model))
        self._writes_apart = any(getattr(part.config, "is_encoder_decoder", False) for part in parts)
        arguments = inspect.signature(type(model).forward).parameters
        self._taken = {*arguments, *inspect.signature(type(model).generate).parameters}
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        tokenizer.padding_side = "left"
        self.ends = _decode_greedily(model, tokenizer)

    @classmethod
    def load(
        cls, kind: Any, folder: Path, dtype: torch.dtype, device: str, tokenizer: Any, use_cache: bool = True
    ) -> TextNetwork:
        """Load the network of a folder.

        Raises:
            InputError: Files are missing or damaged, or hold a model that does not write text.
        """
        model = shared_network(kind, folder, dtype, device)
        if not callable(getattr(model, "generate", None)):
            raise InputError(f"{folder}: {type(model).__name__} has no `generate`: it writes no text")
        return cls(model, tokenizer, use_cache)

    @property
    def model_type(self) -> str:
        """The `model_type` in the network's configuration."""
        return str(self._model.config.model_type)

    @property
    def context(self) -> int | None:
        """Length of the longest sequence that the model reads; None where its configuration has no limit."""
        limit = getattr(self._model.config.get_text_config(), "max_position_embeddings", None)
        return limit if isinstance(limit, int) and limit > 0 else None

    @torch.inference_mode()
    def continuations(
        self, inputs: Mapping[str, Any], max_new_tokens: int, stop: Sequence[str], where: str
    ) -> list[str]:
        """Continue N prompts with the likeliest tokens, up to the model's end token; cut before the first stop string.

        Args:
            inputs: The class's inputs of N prompts, padded on the left.
            max_new_tokens: Largest number of tokens in a text.
            stop: Strings that end a text.
            where: Name of the prompts, for errors.

        Raises:
            InputError: A prompt with its continuation is longer than the model reads.
        """
        if max_new_tokens <= 0:
            return [""] * len(inputs["input_ids"])
        prepared = self._prepared(inputs, max_new_tokens, where)
        watch = _Watch(self._tokenizer, stop)
        ids = self._model.generate(
            **prepared, max_new_tokens=max_new_tokens, stopping_criteria=StoppingCriteriaList([watch]), **self._options
        )
        return [cut(self._decode(row), stop) for row in ids[:, watch.start :].tolist()]

    def score(
        self,
        prompts: Sequence[Prompt],
        rows: Sequence[Sequence[int]],
        encode: Callable[[Sequence[Prompt]], Mapping[str, Any]],
    ) -> list[float]:
        """Sums of the log-probabilities (nats) of one continuation for each prompt, from its token ids.

        A prompt that is given several times as the same object is encoded once.

        Args:
            prompts: N prompts.
            rows: The ids of N continuations.
            encode: Makes the class's inputs from prompts.

        Raises:
            InputError: A prompt with its continuation is longer than the model reads.
            ValueError: There are not as many continuations as prompts.
        """
        if len(prompts) != len(rows):
            raise ValueError(f"{len(prompts)} prompts and {len(rows)} continuations, expected one for each")
        groups: dict[int, list[int]] = {}
        for number, prompt in enumerate(prompts):
            groups.setdefault(id(prompt), []).append(number)
        scores: dict[int, float] = {}
        for numbers in groups.values():
            inputs = encode([prompts[numbers[0]]])
            continuations = [rows[number] for number in numbers]
            scores |= zip(numbers, self.log_likelihoods(inputs, continuations, f"prompt {numbers[0]}"), strict=True)
        return [scores[number] for number in range(len(prompts))]

    @torch.inference_mode()
    def log_likelihoods(self, inputs: Mapping[str, Any], rows: Sequence[Sequence[int]], where: str) -> list[float]:
        """Sums of the log-probabilities (nats) of continuations of one prompt, from their token ids."""
        scores = [0.0] * len(rows)  # an empty continuation is certain
        order = sorted((number for number, row in enumerate(rows) if row), key=lambda number: len(rows[number]))
        for start in range(0, len(order), BATCH):
            numbers = order[start : start + BATCH]
            batch = [rows[number] for number in numbers]
            repeated = {name: _repeated(value, len(batch)) for name, value in inputs.items()}
            for number, score in zip(numbers, self._forced(repeated, batch, where), strict=True):
                scores[number] = score
        return scores

    @torch.inference_mode()
    def reads_padded(self, together: Mapping[str, Any], alone: Mapping[str, Any]) -> bool:
        """Whether a prompt gets the same log-likelihoods beside a longer one, padded on the left, as alone.

        Not all classes are told where a padded prompt begins; those that are not read one prompt in a pass.
        """
        row = self._tokenizer("abc", add_special_tokens=False)["input_ids"][:3]
        try:
            first, _ = self._forced(together, [row] * 2, "two prompts")
        except torch.OutOfMemoryError:
            raise
        except (ValueError, TypeError, LookupError, RuntimeError):
            return False  # a class that takes no padded prompts at all
        [expected] = self._forced(alone, [row], "a prompt")
        allowed = 1e-3 if self._model.dtype == torch.float32 else 0.05
        return abs(first - expected) <= allowed * max(abs(expected), 1.0)

    def _forced(self, inputs: Mapping[str, Any], rows: Sequence[Sequence[int]], where: str) -> list[float]:
        """The log-likelihoods of N continuations of N prompts."""
        longest = max(map(len, rows))
        prepared = self._prepared(inputs, longest, where)
        end = self.ends[0] if self.ends else int(self._tokenizer.pad_token_id or 0)
        # Janus's own `generate` leaves processors of logits out where it writes text.
        for generate in (self._model.generate, partial(GenerationMixin.generate, self._model)):
            force = _Force(rows, end)
            generate(**prepared, max_new_tokens=longest, logits_processor=LogitsProcessorList([force]))
            if force.steps == longest:
                sums: list[float] = force.sums.tolist()
                return sums
        raise InputError(f"{type(self._model).__name__} takes no given tokens: it has no log-likelihoods of texts")

    def _prepared(self, inputs: Mapping[str, Any], new: int, where: str) -> dict[str, Any]:
        """The inputs on the model's device, without those that its class does not take, and without an end token."""
        prepared = {name: value for name, value in inputs.items() if name != "labels"}
        if "token_type_ids" not in self._taken:
            prepared.pop("token_type_ids", None)
        if not self._writes_apart and self.model_type not in _END_IN_GENERATE:
            prepared = self._without_end(prepared)
        self._require_room(prepared, new, where)
        return {name: self._placed(value) for name, value in prepared.items()}

    def _without_end(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs without the token by which some tokenizers end a text: what has ended has no continuation."""
        ids = inputs["input_ids"]
        ends = {*self.ends, self._tokenizer.sep_token_id, self._tokenizer.eos_token_id} - {None}
        if ids.shape[1] < 2 or not all(token in ends for token in ids[:, -1].tolist()):
            return inputs
        return {
            name: value[:, :-1] if isinstance(value, Tensor) and value.shape == ids.shape else value
            for name, value in inputs.items()
        }

    def _require_room(self, inputs: Mapping[str, Any], new: int, where: str) -> None:
        ids = inputs["input_ids"]
        mask = inputs.get("attention_mask")
        length = int(mask.sum(dim=1).max()) if isinstance(mask, Tensor) and mask.ndim == 2 else ids.shape[1]
        needed = max(length, new) if self._writes_apart else length + new - 1
        if self.context is not None and needed > self.context:
            raise InputError(
                f"{where}: {length} tokens of text and pictures, and up to {new} that follow, but the model reads at"
                f" most {self.context}; shorten the context"
            )

    def _placed(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(map(self._placed, value))
        if not isinstance(value, Tensor):
            return value
        return value.to(self._model.device, self._model.dtype if value.is_floating_point() else None)

    def _decode(self, ids: Sequence[int]) -> str:
        end = next((position for position, token in enumerate(ids) if token in self.ends), len(ids))
        return str(self._tokenizer.decode(ids[:end], skip_special_tokens=True))


class _Watch(StoppingCriteria):  # type: ignore[misc]
    """Stops a text that holds a stop string, and notes where texts begin in what `generate` returns."""

    def __init__(self, tokenizer: Any, stop: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stop = [part for part in stop if part]
        self.start = 0
        self._begun = False

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Whether each of N texts, whose ids (N, T) are given, is done: (N,), bool."""
        if not self._begun:
            self._begun, self.start = True, input_ids.shape[1] - 1
        rows = input_ids[:, self.start :].tolist() if self._stop else [[]] * len(input_ids)
        texts = [self._tokenizer.decode(row, skip_special_tokens=True) for row in rows]
        done = [any(part in text for part in self._stop) for text in texts]
        return torch.tensor(done, dtype=torch.bool, device=input_ids.device)


class _Force(LogitsProcessor):  # type: ignore[misc]
    """Forces given tokens, and sums their log-probabilities; a row that has no more tokens goes on with `end`."""

    def __init__(self, rows: Sequence[Sequence[int]], end: int) -> None:
        self._rows, self._end, self.steps = rows, end, 0
        self.sums = torch.zeros(len(rows), dtype=torch.float64)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits (N, vocabulary) that leave each row only its next token."""
        step, self.steps = self.steps, self.steps + 1
        tokens = torch.tensor([row[step] if step < len(row) else self._end for row in self._rows])
        counted = torch.tensor([step < len(row) for row in self._rows])
        logs = scores.float().log_softmax(dim=-1).cpu().gather(1, tokens[:, None])[:, 0].double()
        self.sums += torch.where(counted, logs, 0.0)
        forced = torch.full_like(scores, -torch.inf)
        forced.scatter_(1, tokens[:, None].to(scores.device), 0.0)
        return forced


def _decode_greedily(model: Any, tokenizer: Any) -> list[int]:
    """Make a network and its parts take the likeliest token each time; returns the ids of its end tokens.

    Beams, sampling and penalties that `generation_config.json` proposes are left out, its token ids stay.
    """
    own = model.generation_config
    config_class: Any = GenerationConfig
    for part in model.modules():
        if getattr(part, "generation_config", None) is not None:
            ids = {name: getattr(part.generation_config, name, None) for name in _TOKEN_IDS}
            if ids["eos_token_id"] is None:
                ids["eos_token_id"] = own.eos_token_id if own.eos_token_id is not None else tokenizer.eos_token_id
            if ids["pad_token_id"] is None:
                ids["pad_token_id"] = tokenizer.pad_token_id
            part.generation_config = config_class(do_sample=False, num_beams=1, **ids)
    ends = model.generation_config.eos_token_id
    return [] if ends is None else [ends] if isinstance(ends, int) else list(ends)


def _repeated(value: Any, times: int) -> Any:
    """An input of one prompt, repeated along its first dimension, in which classes keep prompts, or all pictures."""
    if isinstance(value, list | tuple):
        return type(value)([*value] * times)
    return value.repeat(times, *[1] * (value.ndim - 1)) if isinstance(value, Tensor) and value.ndim else value
