"""An answer with pictures: for each picture of it, those retrieved, those generated, and the decision between them.

These records hold the result of the authors' `generate_for_images_and_texts` (protocol 1.8, 1.9, 1.13). Without
candidates or a classifier, the record says so, where the authors put the constant ['gen', [0, 1]].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gill_bench.interfaces import Decision, GeneratedImage

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class RetrievedImage:
    """One of the candidates nearest to a picture of an answer.

    Attributes:
        path: URL or file name of the candidate.
        row: Number of the candidate in the candidate set, from 0.
        cosine: Cosine similarity of the candidate to the query.
        score: The score that the authors return, cosine x exp(logit_scale).
        image: The candidate's picture in RGB; None where it is unavailable.
        failure: Why the picture is unavailable; "" where it was read.
    """

    path: str
    row: int
    cosine: float
    score: float
    image: Image | None
    failure: str


@dataclass(frozen=True, slots=True)
class RankedImage:
    """One of the pictures generated for a picture of an answer.

    Attributes:
        generated: The picture, and whether the safety checker flagged it.
        cosine: Cosine similarity of the picture's retrieval vector to the query, by which pictures are ranked.
        noise: Number of the noise that it was generated from, from 0.
    """

    generated: GeneratedImage
    cosine: float
    noise: int


@dataclass(frozen=True, slots=True)
class AnswerImage:
    """A picture of an answer, for which one group of [IMG] tokens stands.

    Attributes:
        decision: The decision of the checkpoint's classifier; None where it cannot decide.
        undecided: Why it cannot decide; "" where it decided.
        retrieved: Retrieved candidates, best first; a candidate whose picture is unavailable says why. None = there was
            no candidate set; empty = earlier pictures of the same answer took all candidates.
        max_similarity: The largest cosine to any candidate, which a classifier of the paper's kind reads; None without
            candidates.
        generated: Generated pictures, best first.
    """

    decision: Decision | None
    undecided: str
    retrieved: tuple[RetrievedImage, ...] | None
    max_similarity: float | None
    generated: tuple[RankedImage, ...]

    @property
    def image(self) -> Image | None:
        """The picture to show: the best of the kind that was decided for.

        Without a decision it is the best generated picture, or the best retrieved one if none was generated. None where
        there is no picture of that kind.
        """
        label = self.decision.label if self.decision is not None else "generate" if self.generated else "retrieve"
        if label == "retrieve":
            return next((item.image for item in self.retrieved or () if item.image is not None), None)
        return self.generated[0].generated.image if self.generated else None


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A text and the picture after it.

    Attributes:
        text: The text without [IMG] tokens, cut as the authors cut it.
        image: The picture; None where no picture follows. It is None too where its tokens came in the last iteration
            and so were never read: then `RetrievalAnswer.ids` ends in them, and a `num_words` larger by one would give
            the picture.
    """

    text: str
    image: AnswerImage | None


@dataclass(frozen=True, slots=True)
class RetrievalAnswer:
    """An interleaved answer.

    Attributes:
        ids: All generated ids, before anything was cut.
        parts: The parts in reading order; text after the last picture is dropped, as in the authors' code.
    """

    ids: tuple[int, ...]
    parts: tuple[AnswerPart, ...]


def answer_of(ids: tuple[int, ...], texts: Sequence[str], images: Sequence[AnswerImage]) -> RetrievalAnswer:
    """Put texts together with the picture after each; the last texts have none."""
    following: list[AnswerImage | None] = [*images, *[None] * (len(texts) - len(images))]
    return RetrievalAnswer(ids, tuple(AnswerPart(text, image) for text, image in zip(texts, following, strict=True)))
