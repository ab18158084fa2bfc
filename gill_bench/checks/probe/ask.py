"""Asking a model under fixed noise: each call is counted, and its outputs come back in a form that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gill_bench.datasets import Example
from gill_bench.errors import GillBenchError
from gill_bench.generation.generate import METHOD_OF
from gill_bench.generation.reasons import reason_of
from gill_bench.generation.returned import (
    ReturnedError,
    decisions_of,
    name_method_in_errors,
    pictures_of,
    scores_of,
    texts_of,
    vectors_of,
)
from gill_bench.interfaces import OutputKind
from gill_bench.planning.cells import Cell
from gill_bench.planning.resolved import ResolvedTask
from gill_bench.prompt import Prompt

Answer = NDArray[Any] | str
"""One output: a picture (height, width, 3) of uint8, a vector or log-likelihoods of float64, or a text."""

OPTIONS = 8
"""The number of continuations whose log-likelihoods are asked for; the first of an example's answers."""


class ProbeQuestion(NamedTuple):
    """A prompt, and the noises under which it is asked.

    Attributes:
        example: The example that the prompt is made from; noise and continuations are always the example's own.
        prompt: The example's prompt, as it is or with parts changed.
        seeds: One number for each picture; other outputs know no noise, and have one answer.
    """

    example: Example
    prompt: Prompt
    seeds: tuple[int, ...]


class OutOfCallsError(Exception):
    """All calls of the budget were used."""


class Asker:
    """Asks a loaded model, and counts.

    Args:
        model: The object that the model's adapter loaded.
        cell: The cell that is probed.
        limit: The greatest number of calls; of pictures also that of prompts.

    Attributes:
        calls: Calls of the model's method so far.
        prompts: Prompts in them.
        outputs: Outputs of them.
    """

    def __init__(self, model: object, cell: Cell, limit: int) -> None:
        self._model, self._cell, self._limit = model, cell, limit
        self.calls = self.prompts = self.outputs = 0

    @property
    def left(self) -> int:
        """The number of calls that may still be made; a call that paints for several prompts counts as several."""
        return self._limit - (self.prompts if self.draws else self.calls)

    @property
    def draws(self) -> bool:
        """Whether outputs are made from noise, so that a prompt has several."""
        return self._cell.asks == "images"

    def ask(self, questions: Sequence[ProbeQuestion]) -> list[list[Answer]]:
        """Ask several prompts in one call.

        Returns:
            For each question its answers: one for each seed if outputs are pictures, else one.

        Raises:
            OutOfCallsError: The budget is used up.
            ReturnedError: The model returned something of another form than its interface says.
            GillBenchError: The model raised an exception.
        """
        if self.left < (len(questions) if self.draws else 1):
            raise OutOfCallsError
        self.calls += 1
        self.prompts += len(questions)
        cell, method = self._cell, METHOD_OF[self._cell.asks]
        try:
            with name_method_in_errors(self._model, cell.model, str(cell.recipe.get("adapter", "")), method):
                answers = _ASK[cell.asks](self._model, cell.task, questions)
        except ReturnedError:
            raise
        except Exception as error:
            reason = reason_of(error, self._model)
            where = f" ({reason.where})" if reason.where else ""
            raise GillBenchError(
                f"{cell.model}: {method} raised {reason}{where} in call {self.calls} of the probe, for example"
                f" {questions[0].example.id} of {cell.key.task}/{cell.key.context}; --debug shows the traceback"
            ) from error
        self.outputs += sum(map(len, answers))
        return answers


def _images(model: Any, task: ResolvedTask, questions: Sequence[ProbeQuestion]) -> list[list[Answer]]:
    noise = [[task.noise(seed, question.example, 0) for seed in question.seeds] for question in questions]
    pictures = pictures_of(
        model.generate_images([question.prompt for question in questions], noise), [len(group) for group in noise]
    )
    return [[np.asarray(picture.image.convert("RGB")) for picture in group] for group in pictures]


def _vectors(
    model: Any, task: ResolvedTask, questions: Sequence[ProbeQuestion], *, kind: OutputKind
) -> list[list[Answer]]:
    vectors = getattr(model, METHOD_OF[kind])([question.prompt for question in questions])
    unit_length = kind == "embeddings"
    return [[vector.astype(np.float64)] for vector in vectors_of(vectors, len(questions), unit_length=unit_length)]


def _texts(model: Any, task: ResolvedTask, questions: Sequence[ProbeQuestion]) -> list[list[Answer]]:
    settings = task.card.prompt
    stop = [part for part in [str(settings.get("stop", ""))] if part]
    prompts = [question.prompt for question in questions]
    return [
        [text] for text in texts_of(model.generate_texts(prompts, int(settings["max_new_tokens"]), stop), len(prompts))
    ]


def _scores(model: Any, task: ResolvedTask, questions: Sequence[ProbeQuestion]) -> list[list[Answer]]:
    options = [question.example.answers[:OPTIONS] for question in questions]
    prompts = [question.prompt for question, texts in zip(questions, options, strict=True) for _ in texts]
    scores = scores_of(model.score_texts(prompts, [text for texts in options for text in texts]), len(prompts))
    each = iter(scores)
    return [[np.array([next(each) for _ in texts])] for texts in options]


def _decisions(model: Any, task: ResolvedTask, questions: Sequence[ProbeQuestion]) -> list[list[Answer]]:
    decisions = decisions_of(model.decide([question.prompt for question in questions]), len(questions))
    return [[np.array([float(decision.probability)])] for decision in decisions]


_ASK: Mapping[OutputKind, Callable[[Any, ResolvedTask, Sequence[ProbeQuestion]], list[list[Answer]]]] = {
    "images": _images,
    "embeddings": partial(_vectors, kind="embeddings"),
    "texts": _texts,
    "scores": _scores,
    "features": partial(_vectors, kind="features"),
    "decisions": _decisions,
}
PROBED_KINDS = frozenset(_ASK)
"""The kinds of outputs that a probe can ask for."""
