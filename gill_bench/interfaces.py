"""The shared model interface: one small Protocol per capability.

An adapter is any object that implements the protocols its card lists under `capabilities`. It knows no task and no
data set. Nothing here imports torch, so that cards and plans can be checked before anything heavy is loaded.

The object that asks a server may have two more members:

- `at_once`, a number: so many calls are made at the same time, from threads, each with one prompt (and one noise). The
  answer of each call is stored as it comes, so that a run that is killed loses only what is under way.
- `answered_by()`: a dict of what the server says of itself, such as its version, for the record of each unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

from gill_bench.errors import GillBenchError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from gill_bench.prompt import Prompt

Capability = Literal["image-generator", "image-retriever", "text-generator", "text-scorer", "decider", "label-rule"]

OutputKind = Literal[
    "images",
    "embeddings",
    "candidates",
    "texts",
    "scores",
    "features",
    "decisions",
    "text-seconds",
    "image-seconds",
    "search-seconds",
    "nothing",
]
"""A kind of output: pictures, embeddings of prompts or of candidate pictures, texts, log-likelihoods of given texts,
decision features, decisions, or the time that something takes; "nothing" where the labels alone give the result."""

CAPABILITY_OF: dict[OutputKind, Capability] = {
    "images": "image-generator",
    "embeddings": "image-retriever",
    "candidates": "image-retriever",
    "texts": "text-generator",
    "scores": "text-scorer",
    "features": "decider",
    "decisions": "decider",
    "text-seconds": "text-generator",
    "image-seconds": "image-generator",
    "search-seconds": "image-retriever",
    "nothing": "label-rule",
}
ASKED_BY_DEFAULT: dict[Capability, OutputKind] = {
    "image-generator": "images",
    "image-retriever": "embeddings",
    "text-generator": "texts",
    "text-scorer": "scores",
    "decider": "features",
    "label-rule": "nothing",
}


@dataclass(frozen=True, slots=True)
class Noise:
    """The randomness of one sample: an adapter seeds a CPU generator, used for this sample only, with `seed`.

    Attributes:
        seed: A 63-bit integer made from (seed, task, example id); with `noise = "shared"` the bare seed.
        skip: How many samples the same generator makes before this one. Above 0 only with `noise = "shared"`, as in the
            paper, where one generator serves all examples in order.
    """

    seed: int
    skip: int = 0


@dataclass(frozen=True, slots=True)
class GeneratedImage:
    """One generated picture, with what somebody must know who reads its score.

    Attributes:
        image: An RGB picture of any size.
        flagged: Whether the model's safety checker blackened the picture.
        truncated: Whether the prompt was cut, because it was longer than the model reads.
    """

    image: Image
    flagged: bool = False
    truncated: bool = False


class RefusedError(Exception):
    """An adapter raises this error, with the reason, for a prompt that its model or server declines by policy.

    The prompt counts as refused, and not as failed. If the call had several prompts, each is then tried by itself.
    """


class TryLater(Exception):  # noqa: N818
    """An adapter raises this error when its server asks to wait. The same call is made again after the wait.

    Answers of other calls are kept meanwhile. If waiting does not help, the run stops as for `UnavailableError`.

    Args:
        seconds: How long the server asks to wait; 0 if it does not say.
        reason: What the server said, for messages.
    """

    def __init__(self, seconds: float = 0.0, reason: str = "") -> None:
        super().__init__(reason or "the server asks to wait")
        self.seconds = seconds


class UnavailableError(GillBenchError):
    """An adapter raises this error when its model answers no prompt at all: its server is gone, or refuses the key.

    No example counts as failed. The run stops; the answers so far are kept, and the same command goes on with the rest.
    """


class Decision(NamedTuple):
    """Retrieve or generate, for one prompt.

    Attributes:
        label: The label with the higher probability; at a tie `generate`.
        probability: The probability of `retrieve`, in 0..1.
    """

    label: Literal["generate", "retrieve"]
    probability: float


@runtime_checkable
class ImageGenerator(Protocol):
    """Generates pictures for prompts."""

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        """Generate one picture per prompt and noise.

        Args:
            prompts: N prompts.
            noise: N sequences, with one noise for each picture of that prompt. A prompt is encoded once, however
                many pictures it gets.

        Returns:
            N lists, aligned with `noise`.
        """
        ...


@runtime_checkable
class ImageRetriever(Protocol):
    """Maps pictures and prompts into one space, in which cosine is relevance."""

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Return L2-normalised embeddings (N, p), float32, of candidate pictures."""
        ...

    def embed_prompts(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return L2-normalised embeddings (N, p), float32, of queries."""
        ...


@runtime_checkable
class TextGenerator(Protocol):
    """Continues prompts with text. With `count_tokens(texts) -> list[int]` too, its speed is also given in tokens."""

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Return N greedy continuations, each cut before the first occurrence of a stop string."""
        ...


@runtime_checkable
class TextScorer(Protocol):
    """Gives the log-probabilities of given continuations."""

    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        """Return N sums of the log-probabilities (nats) of a continuation's tokens after its prompt."""
        ...


@runtime_checkable
class Decider(Protocol):
    """Decides whether a prompt wants a retrieved or a generated picture."""

    def decision_features(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """Return the features (N, e), float32, that the decision is made from."""
        ...

    def decide(self, prompts: Sequence[Prompt]) -> list[Decision]:
        """Return N decisions."""
        ...


PROTOCOLS: dict[Capability, type] = {
    "image-generator": ImageGenerator,
    "image-retriever": ImageRetriever,
    "text-generator": TextGenerator,
    "text-scorer": TextScorer,
    "decider": Decider,
}


@dataclass(frozen=True, slots=True)
class Score:
    """One number of a corpus metric.

    Attributes:
        metric: Its name in rows.
        value: None if nothing could be scored.
        higher_is_better: Which way it points.
        scored: Examples in the value.
        where: The number ranges over the examples with this fact, (name, value); None = over all.
        each: Values of single examples by id, where the metric has such.
        truncated: Scored examples whose prompt the model had to cut.
        flagged: Scored examples whose picture the safety checker blackened.
        left_out: Examples that the metric's rule leaves out of the value: they count neither as scored nor as failed.
        signature: Fields of the metric's signature whose values are known only once it is computed, such as the size
            of subsets; "" for one that says nothing of this number.
        trivial: The value, on the same examples, of an answer that knows nothing of the prompt; None where there is no
            such answer, as for times.
        trivial_answer: That answer in words, such as "a random order", or "".
    """

    metric: str
    value: float | None
    higher_is_better: bool
    scored: int
    where: tuple[str, str] | None = None
    each: Mapping[str, float] | None = None
    truncated: int = 0
    flagged: int = 0
    left_out: int = 0
    signature: Mapping[str, str] = field(default_factory=dict)
    trivial: float | None = None
    trivial_answer: str = ""
