"""The questions: three samples for each method of a capability, and how the method's answer is read.

An answer is read by the functions with which a run reads it (`gill_bench.generation.returned`); the doctor also refuses
what a run accepts although the interface does not promise it: tuples, other picture modes, float64.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gill_bench.checks.doctor.samples import CONTINUATIONS, long_prompt, noises, pictures, prompts
from gill_bench.generation.returned import decisions_of, pictures_of, scores_of, texts_of, vectors_of
from gill_bench.interfaces import PROTOCOLS, Capability, GeneratedImage

ModelAnswer = tuple[NDArray[Any] | str, ...]
"""The answer for one sample: its pictures as uint8 arrays (height, width, 3), or one vector, text or number array."""

MAX_NEW_TOKENS = 8


class FormError(Exception):
    """A model's answer has another form than the interface says: what was expected, and what was found."""


@dataclass(frozen=True)
class ModelQuestion:
    """One method of a capability, and three samples for it.

    Attributes:
        capability: The capability that the method belongs to.
        method: The method's name.
        samples: The samples, each in the form that `arguments` takes.
        long: A sample with a long prompt, or None.
        arguments: Makes the method's arguments from samples.
        read: Makes an answer for each sample from the value that the method returned; raises if its form is wrong.
        parts: Splits a sample into several, each of which the method may be asked by itself.
        note: Makes the sentence about an answer that has the right form.
    """

    capability: Capability
    method: str
    samples: Sequence[Any]
    long: Any
    arguments: Callable[[Sequence[Any]], tuple[Any, ...]]
    read: Callable[[Any, Sequence[Any]], list[ModelAnswer]]
    parts: Callable[[Any], list[Any]] = lambda sample: [sample]
    note: Callable[[ModelAnswer], str] = lambda answer: ""


def questions(
    capabilities: Collection[Capability],
    reads: Callable[[Capability], Collection[str]],
    *,
    all_with_pictures: bool = False,
) -> list[ModelQuestion]:
    """The questions for a model with these capabilities.

    Args:
        capabilities: The capabilities that the model's card claims.
        reads: Tells for a capability whether the model's prompts may hold texts, pictures or both.
        all_with_pictures: Whether every prompt has a picture, since the model cannot be asked without.
    """
    return [
        question
        for capability in PROTOCOLS
        if capability in capabilities
        for question in _questions_of(capability, reads(capability), all_with_pictures)
    ]


def _questions_of(capability: Capability, inputs: Collection[str], all_with_pictures: bool) -> list[ModelQuestion]:
    short = prompts(inputs, all_with_pictures=all_with_pictures)
    long = long_prompt(with_picture=all_with_pictures)
    pairs = list(zip(short, noises(), strict=True))
    scored = list(zip(short, CONTINUATIONS, strict=True))

    def columns(samples: Sequence[Any]) -> tuple[Any, ...]:
        return [first for first, _ in samples], [second for _, second in samples]

    def one_list(samples: Sequence[Any]) -> tuple[Any, ...]:
        return (list(samples),)

    def with_length(samples: Sequence[Any]) -> tuple[Any, ...]:
        return list(samples), MAX_NEW_TOKENS, ()

    read_embeddings = partial(_read_vectors, unit_length=True)
    read_features = partial(_read_vectors, unit_length=False)
    every = [
        ModelQuestion(
            "image-generator",
            "generate_images",
            pairs,
            (long, noises()[0]),
            columns,
            read_pictures,
            lambda pair: [(pair[0], [noise]) for noise in pair[1]],
            lambda answer: "2 pictures a prompt of " + " x ".join(map(str, np.shape(answer[0])[1::-1])) + " pixels",
        ),
        ModelQuestion("image-retriever", "embed_prompts", short, long, one_list, read_embeddings, note=_width),
        ModelQuestion("image-retriever", "embed_images", pictures(), None, one_list, read_embeddings, note=_width),
        ModelQuestion(
            "text-generator",
            "generate_texts",
            short,
            long,
            with_length,
            read_texts,
            note=lambda answer: repr(answer[0]),
        ),
        ModelQuestion(
            "text-scorer", "score_texts", scored, (long, CONTINUATIONS[0]), columns, _read_scores, note=_number
        ),
        ModelQuestion("decider", "decision_features", short, long, one_list, read_features, note=_width),
        ModelQuestion("decider", "decide", short, long, one_list, _read_decisions, note=_number),
    ]
    return [question for question in every if question.capability == capability]


def read_pictures(returned: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    """Read what `generate_images` returned."""
    pictures_of_prompts = pictures_of(_list(returned), [len(noise) for _, noise in samples])
    for picture in chain.from_iterable(map(_list, returned)):
        for name in ("flagged", "truncated") if isinstance(picture, GeneratedImage) else ():
            if not isinstance(getattr(picture, name), bool):
                raise FormError(f"expected a bool in {name}, found {type(getattr(picture, name)).__name__}")
    for picture in chain.from_iterable(pictures_of_prompts):
        if picture.image.mode != "RGB":
            raise FormError(f"expected an RGB picture, found mode {picture.image.mode}")
    return [tuple(np.asarray(picture.image) for picture in group) for group in pictures_of_prompts]


def read_texts(returned: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    """Read what `generate_texts` returned."""
    return [(text,) for text in texts_of(_list(returned), len(samples))]


def _read_scores(returned: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    scores = scores_of(_list(returned), len(samples))
    positive = [score for score in scores if score > 0]
    if positive:
        raise FormError(f"expected log-likelihoods, which are not above 0, found {positive[0]:.4g}")
    return [(np.array([score]),) for score in scores]


def _read_decisions(returned: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    decisions = decisions_of(_list(returned), len(samples))
    for decision in decisions:
        expected = "retrieve" if decision.probability > 0.5 else "generate"
        if decision.label != expected:
            raise FormError(
                f"expected {expected!r} with probability {decision.probability:.3f}, found {decision.label!r}"
            )
    return [(np.array([float(decision.probability)]),) for decision in decisions]


def _read_vectors(returned: Any, samples: Sequence[Any], *, unit_length: bool) -> list[ModelAnswer]:
    vectors = vectors_of(returned, len(samples), unit_length=unit_length)
    if returned.dtype != np.float32:
        raise FormError(f"expected float32, found {returned.dtype}")
    return [(vector,) for vector in vectors]


def _list(returned: Any) -> Any:
    """The returned value, if it is a list: a run also accepts other sequences, but the interface says a list."""
    if isinstance(returned, Sequence) and not isinstance(returned, list | str):
        raise FormError(f"expected a list, found {type(returned).__name__}")
    return returned


def _width(answer: ModelAnswer) -> str:
    return f"float32, {len(answer[0])} numbers a sample"


def _number(answer: ModelAnswer) -> str:
    return f"{float(answer[0][0]):.4g} for the first sample"
