"""The questions: for each method of a capability what it is asked, and what form its answer must have."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gill_bench.checks.doctor.samples import CONTINUATIONS, long_prompt, noises, pictures, prompts
from gill_bench.generation.returned import described
from gill_bench.interfaces import PROTOCOLS, Capability, Decision, GeneratedImage

ModelAnswer = tuple[NDArray[Any] | str, ...]
"""Of one sample: its pictures as uint8 arrays (height, width, 3), its vector, its text or its number as an array."""

MAX_NEW_TOKENS = 8
UNIT_LENGTH_TOLERANCE = 1e-2  # as in a run: an adapter may normalise in bfloat16


class FormError(Exception):
    """An answer that has not the form that the interface says: what was expected, and what was found."""


@dataclass(frozen=True)
class ModelQuestion:
    """One method of a capability, and three samples for it.

    Attributes:
        samples: What it is asked, in the question's own terms.
        long: A sample with a long prompt, or None.
        arguments: The method's arguments for some samples.
        read: From what the method returned to an answer for each sample.
        parts: A sample as several, each of which the method may be asked by itself.
        note: What is said of an answer that has the right form.
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
    capabilities: Collection[Capability], reads: Callable[[Capability], Collection[str]]
) -> list[ModelQuestion]:
    """The questions for a model with these capabilities.

    Args:
        capabilities: Of its card.
        reads: What its prompts may hold, by capability.
    """
    return [
        question
        for capability in PROTOCOLS
        if capability in capabilities
        for question in _questions_of(capability, reads(capability))
    ]


def _questions_of(capability: Capability, inputs: Collection[str]) -> list[ModelQuestion]:
    asked, long = prompts(inputs), long_prompt()
    pairs = list(zip(asked, noises(), strict=True))
    scored = list(zip(asked, CONTINUATIONS, strict=True))

    def columns(samples: Sequence[Any]) -> tuple[Any, ...]:
        return [first for first, _ in samples], [second for _, second in samples]

    def alone(samples: Sequence[Any]) -> tuple[Any, ...]:
        return (list(samples),)

    def with_length(samples: Sequence[Any]) -> tuple[Any, ...]:
        return list(samples), MAX_NEW_TOKENS, ()

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
        ModelQuestion("image-retriever", "embed_prompts", asked, long, alone, _unit_vectors, note=_width),
        ModelQuestion("image-retriever", "embed_images", pictures(), None, alone, _unit_vectors, note=_width),
        ModelQuestion(
            "text-generator", "generate_texts", asked, long, with_length, read_texts, note=lambda one: repr(one[0])
        ),
        ModelQuestion(
            "text-scorer", "score_texts", scored, (long, CONTINUATIONS[0]), columns, read_scores, note=_number
        ),
        ModelQuestion("decider", "decision_features", asked, long, alone, _any_vectors, note=_width),
        ModelQuestion("decider", "decide", asked, long, alone, read_decisions, note=_number),
    ]
    return [question for question in every if question.capability == capability]


def read_pictures(found: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    """Pictures from what `generate_images` returned."""
    _require_list(found, len(samples), "lists of pictures, one per prompt")
    for pictures_of_prompt, (_, wanted) in zip(found, samples, strict=True):
        _require_list(pictures_of_prompt, len(wanted), "pictures, one per noise")
        for one in map(_wrapped, pictures_of_prompt):
            if not isinstance(one, GeneratedImage):
                raise FormError(f"expected a PIL picture or GeneratedImage, found {described(one)}")
            if not isinstance(one.image, Image.Image):
                raise FormError(f"expected a PIL image in GeneratedImage.image, found {type(one.image).__name__}")
            if one.image.mode != "RGB":
                raise FormError(f"expected an RGB picture, found mode {one.image.mode}")
            for name in ("flagged", "truncated"):
                if not isinstance(getattr(one, name), bool):
                    raise FormError(f"expected a bool in {name}, found {type(getattr(one, name)).__name__}")
    return [tuple(np.asarray(_wrapped(one).image) for one in group) for group in found]


def _wrapped(picture: Any) -> Any:
    """A bare PIL picture as a run takes it; anything else as it is."""
    return GeneratedImage(picture) if isinstance(picture, Image.Image) else picture


def read_texts(found: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    """Texts from what `generate_texts` returned."""
    _require_list(found, len(samples), "texts")
    for text in found:
        if not isinstance(text, str):
            raise FormError(f"expected texts, found {type(text).__name__}")
    return [(text,) for text in found]


def read_scores(found: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    """Log-likelihoods from what `score_texts` returned."""
    _require_list(found, len(samples), "log-likelihoods")
    for score in found:
        if not isinstance(score, Real) or not math.isfinite(float(score)):
            raise FormError(f"expected finite numbers, found {score!r}")
        if float(score) > 0:
            raise FormError(f"expected log-likelihoods, which are not above 0, found {float(score):.4g}")
    return [(np.array([float(score)]),) for score in found]


def read_decisions(found: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    """Probabilities from what `decide` returned."""
    _require_list(found, len(samples), "decisions")
    for one in found:
        if not isinstance(one, Decision):
            raise FormError(f"expected gill_bench.interfaces.Decision, found {type(one).__name__}")
        if not isinstance(one.probability, Real) or not 0 <= float(one.probability) <= 1:
            raise FormError(f"expected the probability of 'retrieve' in 0..1, found {one.probability!r}")
        expected = "retrieve" if one.probability > 0.5 else "generate"
        if one.label != expected:
            raise FormError(f"expected {expected!r} with probability {one.probability:.3f}, found {one.label!r}")
    return [(np.array([float(one.probability)]),) for one in found]


def _vectors(found: Any, samples: Sequence[Any]) -> NDArray[np.float32]:
    if not isinstance(found, np.ndarray):
        raise FormError(f"expected a NumPy array, found {type(found).__name__}")
    if found.ndim != 2 or len(found) != len(samples):
        raise FormError(f"expected an array ({len(samples)}, width), found {found.shape}")
    if found.dtype != np.float32:
        raise FormError(f"expected float32, found {found.dtype}")
    if not np.isfinite(found).all():
        raise FormError("expected finite numbers, found NaN or infinity")
    return found


def _any_vectors(found: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    return [(vector,) for vector in _vectors(found, samples)]


def _unit_vectors(found: Any, samples: Sequence[Any]) -> list[ModelAnswer]:
    for length in np.linalg.norm(_vectors(found, samples).astype(np.float64), axis=1):
        if abs(length - 1) > UNIT_LENGTH_TOLERANCE:
            raise FormError(f"expected L2-normalised embeddings, found one of length {length:.4g}")
    return _any_vectors(found, samples)


def _require_list(found: Any, count: int, what: str) -> None:
    if not isinstance(found, list):
        raise FormError(f"expected a list of {count} {what}, found {type(found).__name__}")
    if len(found) != count:
        raise FormError(f"expected {count} {what}, found {len(found)}")


def _width(answer: ModelAnswer) -> str:
    return f"float32, {len(answer[0])} numbers a sample"


def _number(answer: ModelAnswer) -> str:
    return f"{float(answer[0][0]):.4g} for the first sample"
