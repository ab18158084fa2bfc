"""The examination: each method answers samples together, twice, one by one and in another order, and a long prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from gill_bench.cards.find import ModelCard
from gill_bench.cards.user_files import explain_exception
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
from gill_bench.errors import InputError, first_line
from gill_bench.generation.returned import WrongFormError, WrongValueError
from gill_bench.generation.waiting import Patience
from gill_bench.interfaces import PROTOCOLS
from gill_bench.models.class_adapter import file_of
from gill_bench.models.described import Described
from gill_bench.planning.resolved import ResolvedModel

PICTURE_TOLERANCE = 2.0
"""The mean absolute difference of two pictures, in levels of 255, that rounding in another batch may make."""
NUMBER_TOLERANCE = 0.02
"""The difference of two numbers or vectors that rounding may make: its length, divided by the vector's if that is above
1."""


class Finding(NamedTuple):
    """The outcome of one check.

    Attributes:
        about: The method that was checked, or "loading".
        check: The check's name.
        passed: Whether the model passed the check.
        detail: If the check failed, a sentence with what was expected and what came; else a remark, or "".
    """

    about: str
    check: str
    passed: bool
    detail: str = ""


def load_examined(model: ResolvedModel, device: str) -> tuple[object, Finding]:
    """Load a model, and say whether loading changed the state of this process."""
    before = ProcessState.now()
    loaded = model.load(device)
    changed = before.changes(ProcessState.now(), only=WHILE_LOADING)
    before.restore()
    return loaded, Finding("loading", "global state", not changed, _changed(changed))


def examine(model: object, card: ModelCard, known: Described | None = None) -> Iterator[Finding]:
    """Examine a loaded model.

    Args:
        model: The object that the model's adapter loaded.
        card: The model's card, which claims its capabilities and inputs.
        known: What the model's adapter knows of it; a model that cannot be asked without a picture is not.

    Raises:
        InputError: The card claims no capability that has methods to ask.
    """
    if not set(card.capabilities) & set(PROTOCOLS):
        raise InputError(f"{card.name}: {', '.join(card.capabilities)}: there is nothing to ask such a model")
    always = known is not None and bool(known.cannot.get("text"))
    for question in questions(card.capabilities, card.reads, all_with_pictures=always):
        if not callable(getattr(model, question.method, None)):
            detail = f"expected it for the capability {question.capability!r}, found none"
            yield Finding(question.method, "method", False, detail)
            continue
        yield from _Examination(model, question).findings()


class _Examination:
    """The checks of one question. Every call is watched for changes of state and arguments, reported at the end."""

    def __init__(self, model: object, question: ModelQuestion) -> None:
        self.model, self.question = model, question
        self.patience = Patience()
        self.changed_state: dict[str, None] = {}
        self.arguments_changed = False

    def findings(self) -> Iterator[Finding]:
        together: list[ModelAnswer] = []

        def form() -> str:
            refused = self.leave_out_refused()
            together.extend(self.ask(self.question.samples))
            return "; ".join(filter(None, (self.question.note(together[0]), refused)))

        first = self.check("form", form)
        yield first
        question = self.question
        if first.passed:
            yield self.check("same again", lambda: _equal(together, self.ask(question.samples)))
            yield self.check("one by one", lambda: _close(together, self.one_by_one()))
            backwards = list(reversed(question.samples))
            yield self.check("another order", lambda: _close(together, list(reversed(self.ask(backwards)))))
            for name, extra in _EXTRA.get(question.method, {}).items():
                yield self.check(name, partial(extra, self, together))
            if question.long is not None:
                yield self.check("long prompt", self.long_prompt)
        yield Finding(question.method, "global state", not self.changed_state, _changed(list(self.changed_state)))
        detail = (
            "expected prompts, pictures and lists as they were, found them changed" if self.arguments_changed else ""
        )
        yield Finding(question.method, "arguments", not self.arguments_changed, detail)

    def check(self, name: str, do: Callable[[], str]) -> Finding:
        """Run a check; its result, or the error that it raises, becomes the finding."""
        try:
            return Finding(self.question.method, name, True, do())
        except FormError as error:
            return Finding(self.question.method, name, False, str(error))
        except WrongFormError as error:
            advice = f"; {error.remedy}" if error.remedy else ""
            return Finding(self.question.method, name, False, f"returned {error}{advice}")
        except WrongValueError as error:
            return Finding(self.question.method, name, False, f"returned {error}")
        except Exception as error:
            raised = explain_exception(error, file_of(type(self.model)))
            return Finding(self.question.method, name, False, f"expected an answer, found {raised}")

    def leave_out_refused(self) -> str:
        """Leave out samples that the model refuses with a reason, as one that reads a single picture does; say so.

        A run counts such prompts as failed, with the reason. If all samples are refused, all stay.
        """
        try:
            self.ask(self.question.samples)
        except InputError as error:
            reasons = [self._refusal(sample) for sample in self.question.samples]
            answered = [sample for sample, reason in zip(self.question.samples, reasons, strict=True) if not reason]
            if not answered:
                return ""
            self.question = replace(self.question, samples=answered)
            return f"{len(reasons) - len(answered)} of {len(reasons)} samples are refused: {first_line(error)}"
        return ""

    def _refusal(self, sample: Any) -> str:
        try:
            self.ask([sample])
        except InputError as error:
            return str(error)
        return ""

    def ask(self, samples: Sequence[Any]) -> list[ModelAnswer]:
        """Ask the method about samples."""
        return self.question.read(self.call(*self.question.arguments(samples)), samples)

    def call(self, *arguments: Any) -> Any:
        """Call the method, and record which parts of the process's state, or of its arguments, it changed."""
        arguments = deepcopy(arguments)  # a call must not see changes that an earlier call made to arguments
        state, before = ProcessState.now(), fingerprint(arguments)
        try:
            return self.patience.call(lambda: getattr(self.model, self.question.method)(*arguments))
        finally:
            self.changed_state |= dict.fromkeys(state.changes(ProcessState.now()))
            self.arguments_changed |= fingerprint(arguments) != before
            state.restore()

    def one_by_one(self) -> list[ModelAnswer]:
        """Ask for each sample by itself, and for each picture of a prompt by itself."""
        parts = [[self.ask([part])[0] for part in self.question.parts(sample)] for sample in self.question.samples]
        return [tuple(chain.from_iterable(answers)) for answers in parts]

    def long_prompt(self) -> str:
        """Ask for a long prompt; the model passes with an answer, or with an error that says what is wrong with it."""
        try:
            returned = self.call(*self.question.arguments([self.question.long]))
        except (InputError, ValueError) as error:
            if not str(error):
                raise FormError(f"expected an answer or an error that says why not, found {error!r}") from error
            return f"{LONG_WORDS} words are refused: {str(error).splitlines()[0]}"
        self.question.read(returned, [self.question.long])
        cut = self.question.method == "generate_images" and any(
            getattr(picture, "truncated", False) for picture in returned[0]
        )
        return f"{LONG_WORDS} words are " + ("cut, and the pictures say so" if cut else "answered")


def _another_seed(examination: _Examination, together: list[ModelAnswer]) -> str:
    for number, (first, second) in enumerate(together):
        if np.array_equal(first, second):
            raise FormError(f"expected another picture under another noise, found the same for prompt {number}")
    return ""


def _stop_strings(examination: _Examination, together: list[ModelAnswer]) -> str:
    texts = [str(text) for (text,) in together]
    longest = max(texts, key=len)
    stop = longest[len(longest) // 2 :][:2]
    if not stop.strip():
        return "what it generates is too short to be cut"
    samples = examination.question.samples
    stopped = read_texts(examination.call(list(samples), MAX_NEW_TOKENS, [stop]), samples)
    for before, (answer,) in zip(texts, stopped, strict=True):
        cut = str(answer)
        expected = before.partition(stop)[0]
        if cut.strip() != expected.strip():
            raise FormError(f"expected {expected!r}, which is {before!r} cut before {stop!r}, found {cut!r}")
    return f"cut before {stop!r}"


def _many_continuations(examination: _Examination, together: list[ModelAnswer]) -> str:
    """Ask as a run does: the same prompt object with every continuation."""
    prompt = examination.question.samples[0][0]
    pairs = [(prompt, continuation) for continuation in CONTINUATIONS]
    at_once = examination.ask(pairs)
    return _close([answer for pair in pairs for answer in examination.ask([pair])], at_once)


_EXTRA: dict[str, dict[str, Callable[[_Examination, list[ModelAnswer]], str]]] = {
    "generate_images": {"another seed": _another_seed},
    "generate_texts": {"stop strings": _stop_strings},
    "score_texts": {"one prompt, several continuations": _many_continuations},
}


def _equal(expected: list[ModelAnswer], answers: list[ModelAnswer]) -> str:
    for number, (first, second) in enumerate(zip(expected, answers, strict=True)):
        if not all(np.array_equal(a, b) for a, b in zip(first, second, strict=True)):
            raise FormError(f"expected the same answer to the same question, found another for sample {number}")
    return ""


def _close(expected: list[ModelAnswer], answers: list[ModelAnswer]) -> str:
    """The largest difference in words; raises if it is beyond the tolerance."""
    largest, allowed, unit = 0.0, 0.0, ""
    for number, (first, second) in enumerate(zip(expected, answers, strict=True)):
        for a, b in zip(first, second, strict=True):
            if isinstance(a, str) or isinstance(b, str):
                if a != b:
                    raise FormError(f"expected {a!r} for sample {number} as in another call, found {b!r}")
                continue
            if a.shape != b.shape:
                raise FormError(f"expected shape {a.shape} for sample {number} as in another call, found {b.shape}")
            difference = np.abs(a.astype(np.float64) - b)
            if a.dtype == np.uint8:
                value, allowed, unit = float(difference.mean()), PICTURE_TOLERANCE, " of 255 levels on average"
            else:
                value = float(np.linalg.norm(difference) / max(float(np.linalg.norm(a)), 1.0))
                allowed = NUMBER_TOLERANCE
            if value > allowed:
                raise FormError(
                    f"expected the same for sample {number} as in another call, up to {allowed:g}{unit},"
                    f" found a difference of {value:.3g}"
                )
            largest = max(largest, value)
    return f"differs by {largest:.2g}{unit}, {allowed:g} is allowed" if largest else ""


def _changed(names: Sequence[str]) -> str:
    return f"expected it as it was, found changed: {', '.join(names)}" if names else ""
