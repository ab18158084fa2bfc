"""An answer with pictures: for each that the model brings up, what is retrieved, what is generated, and the decision.

The authors' `generate_for_images_and_texts` (protocol 1.8, 1.9, 1.13) as plain records. Where something cannot be had
(no candidates, no classifier), the record says so: the authors put the constant ['gen', [0, 1]] there.
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
    """One of the candidates nearest to an answer's picture.

    Attributes:
        path: URL or file name of the candidate.
        place: In the candidate set, from 0.
        cosine: To the query.
        score: cosine x exp(logit_scale): what the authors return.
        image: RGB; None where it cannot be had.
        failure: Why not; "" where it was read.
    """

    path: str
    place: int
    cosine: float
    score: float
    image: Image | None
    failure: str


@dataclass(frozen=True, slots=True)
class RankedImage:
    """One of the pictures generated for an answer's picture.

    Attributes:
        generated: The picture, and whether it was flagged.
        cosine: Of its retrieval vector to the query: by this they are ranked.
        noise: Which of the wanted pictures it is, from 0: its place before ranking.
    """

    generated: GeneratedImage
    cosine: float
    noise: int


@dataclass(frozen=True, slots=True)
class AnswerImage:
    """What one group of [IMG] tokens stands for.

    Attributes:
        decision: Of the checkpoint's classifier; None where it cannot decide.
        undecided: Why not; "" where it decided.
        retrieved: Best first; those whose picture cannot be had are among them and say why. None = there was no
            candidate set; empty = earlier pictures of the same answer took all of it.
        max_similarity: The largest cosine to any candidate, which a classifier of the paper's kind reads; None without
            candidates.
        generated: Best first.
    """

    decision: Decision | None
    undecided: str
    retrieved: tuple[RetrievedImage, ...] | None
    max_similarity: float | None
    generated: tuple[RankedImage, ...]

    @property
    def image(self) -> Image | None:
        """The picture to show: of the kind decided, the best that there is.

        Where nothing was decided, a generated one, or one retrieved if none was generated. None where there is no
        picture of that kind.
        """
        label = self.decision.label if self.decision is not None else "generate" if self.generated else "retrieve"
        if label == "retrieve":
            return next((item.image for item in self.retrieved or () if item.image is not None), None)
        return self.generated[0].generated.image if self.generated else None


@dataclass(frozen=True, slots=True)
class AnswerPart:
    """A text and the picture behind it.

    Attributes:
        text: Without [IMG] tokens; cut as the authors cut it.
        image: None where no picture follows, or its tokens came in the last iteration and so were never read: then
            `RetrievalAnswer.ids` has more of them, and one more of `num_words` would give the picture.
    """

    text: str
    image: AnswerImage | None


@dataclass(frozen=True, slots=True)
class RetrievalAnswer:
    """An interleaved answer.

    Attributes:
        ids: All generated ids, before anything was cut.
        parts: In reading order; what would follow the last picture is dropped, as in the authors' code.
    """

    ids: tuple[int, ...]
    parts: tuple[AnswerPart, ...]


def answer_of(ids: tuple[int, ...], texts: Sequence[str], images: Sequence[AnswerImage]) -> RetrievalAnswer:
    """Texts with the picture behind each; the last texts have none."""
    behind: list[AnswerImage | None] = [*images, *[None] * (len(texts) - len(images))]
    return RetrievalAnswer(ids, tuple(AnswerPart(text, image) for text, image in zip(texts, behind, strict=True)))
