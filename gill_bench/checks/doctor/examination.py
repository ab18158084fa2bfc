"""The examination: every question asked together, again, one by one, in another order, and with a long prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from gill_bench.cards.find import ModelCard
from gill_bench.checks.doctor.questions import (
    MAX_NEW_TOKENS,
    FormError,
    ModelAnswer,
    ModelQuestion,
    questions,
    read_texts,
)
from gill_bench.checks.doctor.samples import CONTINUATIONS, LONG_WORDS, fingerprint
from gill_bench.checks.doctor.state import WHILE_LOADING, ProcessState
from gill_bench.errors import InputError
from gill_bench.interfaces import PROTOCOLS
from gill_bench.models.class_adapter import explain_exception, file_of
from gill_bench.planning.resolved import ResolvedModel

PICTURE_TOLERANCE = 2.0
"""Mean absolute difference of two pictures, in levels of 255, that rounding in another batch may make."""
NUMBER_TOLERANCE = 0.02
"""The same for numbers and vectors: the length of the difference, relative to that of the vector if it is above 1."""


class Finding(NamedTuple):
    """What one check came to.

    Attributes:
        about: A method, or "loading".
        check: Its name.
        passed: Whether it is as it should be.
        detail: What was expected and what was found; of a passed check, what there is to know.
    """

    about: str
    check: str
    passed: bool
    detail: str = ""


def load_examined(asked: ResolvedModel, device: str) -> tuple[object, Finding]:
    """Load a model, and say whether that changed the state of this process.

    Raises:
        GillBenchError: It cannot be loaded.
    """
    before = ProcessState.now()
    model = asked.load(device)
    touched = before.changes(ProcessState.now(), only=WHILE_LOADING)
    before.restore()
    return model, Finding("loading", "global state", not touched, _touched(touched))


def examine(model: object, card: ModelCard) -> Iterator[Finding]:
    """Examine a loaded model.

    Args:
        model: What its adapter loaded.
        card: What it claims: `capabilities` and `inputs`.

    Raises:
        InputError: It claims nothing that can be asked.
    """
    if not set(card.capabilities) & set(PROTOCOLS):
        raise InputError(f"{card.name}: {', '.join(card.capabilities)}: there is nothing to ask such a model")
    for question in questions(card.capabilities, card.reads):
        if not callable(getattr(model, question.method, None)):
            detail = f"expected it for the capability {question.capability!r}, found none"
            yield Finding(question.method, "method", False, detail)
            continue
        yield from _Examination(model, question).findings()


class _Examination:
    """One question's checks. What is watched in every call, state and arguments, is reported at the end."""

    def __init__(self, model: object, question: ModelQuestion) -> None:
        self.model, self.question = model, question
        self.touched: dict[str, None] = {}
        self.modified = False

    def findings(self) -> Iterator[Finding]:
        question = self.question
        together: list[ModelAnswer] = []

        def form() -> str:
            together.extend(self.ask(question.samples))
            return question.note(together[0])

        first = self.check("form", form)
        yield first
        if first.passed:
            yield self.check("same again", lambda: _equal(together, self.ask(question.samples)))
            yield self.check("one by one", lambda: _close(together, self.one_by_one()))
            backwards = list(reversed(question.samples))
            yield self.check("another order", lambda: _close(together, list(reversed(self.ask(backwards)))))
            for name, extra in _EXTRA.get(question.method, {}).items():
                yield self.check(name, partial(extra, self, together))
            if question.long is not None:
                yield self.check("long prompt", self.long_prompt)
        yield Finding(question.method, "global state", not self.touched, _touched(list(self.touched)))
        modified = "expected prompts, pictures and lists as they were, found them changed"
        yield Finding(question.method, "arguments", not self.modified, modified if self.modified else "")

    def check(self, name: str, do: Callable[[], str]) -> Finding:
        """What a check came to: it returns what there is to know, or raises."""
        try:
            return Finding(self.question.method, name, True, do())
        except FormError as error:
            return Finding(self.question.method, name, False, str(error))
        except Exception as error:
            raised = explain_exception(error, file_of(type(self.model)))
            return Finding(self.question.method, name, False, f"expected an answer, found {raised}")

    def ask(self, samples: Sequence[Any]) -> list[ModelAnswer]:
        """Ask the method about samples."""
        return self.question.read(self.call(*self.question.arguments(samples)), samples)

    def call(self, *arguments: Any) -> Any:
        """Call the method, and note what it changed."""
        arguments = deepcopy(arguments)  # what is changed in one call is not to be found again in the next
        state, before = ProcessState.now(), fingerprint(arguments)
        try:
            return getattr(self.model, self.question.method)(*arguments)
        finally:
            self.touched |= dict.fromkeys(state.changes(ProcessState.now()))
            self.modified |= fingerprint(arguments) != before
            state.restore()

    def one_by_one(self) -> list[ModelAnswer]:
        """Each sample by itself, and each picture of a prompt by itself."""
        parts = [[self.ask([part])[0] for part in self.question.parts(one)] for one in self.question.samples]
        return [tuple(chain.from_iterable(answers)) for answers in parts]

    def long_prompt(self) -> str:
        """An answer, or an error that says what is wrong with the prompt."""
        try:
            found = self.call(*self.question.arguments([self.question.long]))
        except (InputError, ValueError) as error:
            if not str(error):
                raise FormError(f"expected an answer or an error that says why not, found {error!r}") from error
            return f"{LONG_WORDS} words are refused: {str(error).splitlines()[0]}"
        self.question.read(found, [self.question.long])
        cut = self.question.method == "generate_images" and any(getattr(one, "truncated", False) for one in found[0])
        return f"{LONG_WORDS} words are " + ("cut, and the pictures say so" if cut else "answered")


def _another_seed(examination: _Examination, together: list[ModelAnswer]) -> str:
    for place, (first, second) in enumerate(together):
        if np.array_equal(first, second):
            raise FormError(f"expected another picture under another noise, found the same for prompt {place}")
    return ""


def _stop_strings(examination: _Examination, together: list[ModelAnswer]) -> str:
    texts = [str(text) for (text,) in together]
    longest = max(texts, key=len)
    stop = longest[len(longest) // 2 :][:2]
    if not stop.strip():
        return "what it generates is too short to be cut"
    samples = examination.question.samples
    found = [str(text) for (text,) in read_texts(examination.call(list(samples), MAX_NEW_TOKENS, [stop]), samples)]
    for before, cut in zip(texts, found, strict=True):
        expected = before.partition(stop)[0]
        if cut.strip() != expected.strip():
            raise FormError(f"expected {before!r} cut before {stop!r}, {expected!r}, found {cut!r}")
    return f"cut before {stop!r}"


def _many_continuations(examination: _Examination, together: list[ModelAnswer]) -> str:
    """How a run asks: one prompt, the same object, with every option."""
    prompt = examination.question.samples[0][0]
    pairs = [(prompt, continuation) for continuation in CONTINUATIONS]
    found = examination.ask(pairs)
    return _close([answer for pair in pairs for answer in examination.ask([pair])], found)


_EXTRA: dict[str, dict[str, Callable[[_Examination, list[ModelAnswer]], str]]] = {
    "generate_images": {"another seed": _another_seed},
    "generate_texts": {"stop strings": _stop_strings},
    "score_texts": {"one prompt, several continuations": _many_continuations},
}


def _equal(expected: list[ModelAnswer], found: list[ModelAnswer]) -> str:
    for place, (one, other) in enumerate(zip(expected, found, strict=True)):
        if not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True)):
            raise FormError(f"expected the same for the same question, found something else for sample {place}")
    return ""


def _close(expected: list[ModelAnswer], found: list[ModelAnswer]) -> str:
    """The largest difference in words, if it is within the tolerances."""
    largest, allowed, unit = 0.0, 0.0, ""
    for place, (one, other) in enumerate(zip(expected, found, strict=True)):
        for a, b in zip(one, other, strict=True):
            if isinstance(a, str) or isinstance(b, str):
                if a != b:
                    raise FormError(f"expected {a!r} for sample {place} as with the others, found {b!r}")
                continue
            if a.shape != b.shape:
                raise FormError(f"expected shape {a.shape} for sample {place} as with the others, found {b.shape}")
            difference = np.abs(a.astype(np.float64) - b)
            if a.dtype == np.uint8:
                value, allowed, unit = float(difference.mean()), PICTURE_TOLERANCE, " of 255 levels on average"
            else:
                value = float(np.linalg.norm(difference) / max(float(np.linalg.norm(a)), 1.0))
                allowed = NUMBER_TOLERANCE
            if value > allowed:
                raise FormError(
                    f"expected the same for sample {place} as with the others, up to {allowed:g}{unit},"
                    f" found a difference of {value:.3g}"
                )
            largest = max(largest, value)
    return f"differs by {largest:.2g}{unit}, {allowed:g} is allowed" if largest else ""


def _touched(what: Sequence[str]) -> str:
    return f"expected it as it was, found changed: {', '.join(what)}" if what else ""
