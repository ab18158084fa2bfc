"""Training sequences: the order of their ids, the labels to predict, and packing (protocol 2.2-2.4).

Padding after a caption, and the cut-off ends of packed sequences, are left out: attention is causal and they have no
labels, so they would change nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from gill_bench.models.interleaved.prompt_encoder import IGNORED, segment_ids
from gill_bench.models.interleaved.tokens import LanguageTokens

PICTURE = -1  # the id at each position of a picture's embeddings


@dataclass(frozen=True, slots=True)
class TrainingSequence:
    """One training sequence.

    Attributes:
        ids: T ids, `PICTURE` where an embedding of a picture stands.
        labels: T ids, -100 where nothing is to be predicted. A label has the position of its own token, not the
            position before, from which it is predicted.
        starts: Position of the first [IMG] token of each example in the sequence.
    """

    ids: list[int]
    labels: list[int]
    starts: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds the training sequences of the three passes.

    Attributes:
        image_ids: Ids of [IMG0]..[IMG{r-1}].
        visual_tokens: Embeddings per picture, k.
        first_only: Whether only [IMG0] has a label in a sequence with [IMG] tokens, as the paper's Eq. 2 says.
    """

    image_ids: tuple[int, ...]
    visual_tokens: int
    first_only: bool = False

    def captioning(
        self, captions: Sequence[list[int]], packed: bool, prefix: Sequence[int] = ()
    ) -> list[TrainingSequence]:
        """Sequences of a picture and its caption, without [IMG] tokens; BOS has a label too.

        Args:
            captions: Ids of captions, as `caption_ids` gives them.
            packed: Whether two captions share a sequence, the second without its BOS.
            prefix: Ids between picture and caption, without labels.
        """
        picture = [PICTURE] * self.visual_tokens + list(prefix)
        nothing = [IGNORED] * len(picture)
        texts = [_until(ids, self.image_ids) for ids in captions]
        if not packed:
            return [TrainingSequence(picture + text, nothing + text) for text in texts]
        pairs = zip(texts[::2], texts[1::2], strict=True)
        return [
            TrainingSequence(picture + first + picture + second[1:], nothing + first + nothing + second[1:])
            for first, second in pairs
        ]

    def image_tokens(
        self, captions: Sequence[list[int]], packed: bool, prefix: Sequence[int] = ()
    ) -> list[TrainingSequence]:
        """Sequences of a caption and the [IMG] tokens, without pictures.

        Labels end before the first [IMG1]; in a packed sequence this comes after the first caption, so that the second
        caption has no labels.

        Args:
            captions: Ids of captions, as `caption_ids` gives them.
            packed: Whether two captions share a sequence, the second without its BOS.
            prefix: Ids before the caption, without labels.
        """
        r, begin = len(self.image_ids), len(prefix)
        if packed:
            pairs = list(zip(captions[::2], captions[1::2], strict=True))
            sequences = [first + second[1:] for first, second in pairs]
            starts = [[begin + len(first) - r, begin + len(first) - 1 + len(second) - r] for first, second in pairs]
        else:
            sequences = [list(ids) for ids in captions]
            starts = [[begin + len(ids) - r] for ids in captions]
        return [
            TrainingSequence([*prefix, *ids], [IGNORED] * begin + self._labels(ids), begins)
            for ids, begins in zip(sequences, starts, strict=True)
        ]

    def story(self, segments: Sequence[list[int] | None], caption: Sequence[int]) -> TrainingSequence:
        """The sequence of an interleaved prompt and its target's caption; only the caption is to be predicted.

        Args:
            segments: Ids of each segment, None for a picture, as `segment_ids` gives them.
            caption: Ids of the caption, without BOS.
        """
        ids = self._flat(segments)
        return TrainingSequence([*ids, *caption], [IGNORED] * len(ids) + list(caption))

    def story_image_tokens(self, segments: Sequence[list[int] | None]) -> TrainingSequence:
        """The sequence of an interleaved prompt and the [IMG] tokens, of which only the first is to be predicted."""
        ids = self._flat(segments)
        labels = [IGNORED] * len(ids) + [self.image_ids[0]] + [IGNORED] * (len(self.image_ids) - 1)
        return TrainingSequence([*ids, *self.image_ids], labels, [len(ids)])

    def _flat(self, segments: Sequence[list[int] | None]) -> list[int]:
        picture = [PICTURE] * self.visual_tokens
        return [token for ids in segments for token in (picture if ids is None else ids)]

    def _labels(self, ids: list[int]) -> list[int]:
        if self.first_only:
            return [token if token == self.image_ids[0] else IGNORED for token in ids]
        labels = _until(ids, self.image_ids[1:])
        return labels + [IGNORED] * (len(ids) - len(labels))


def caption_ids(tokens: LanguageTokens, caption: str, max_len: int) -> list[int]:
    """Ids of BOS, caption and [IMG] tokens: at most `max_len`; a long caption loses its end, never the [IMG] tokens.

    The authors cut the whole at `max_len` and write the [IMG] tokens over the last ids, which gives the same ids
    (protocol 2.2).
    """
    return [tokens.bos, *tokens.encode(caption)][: max_len - len(tokens.image_ids)] + tokens.image_ids


def story_sequences(
    tokens: LanguageTokens, builder: Builder, segments: Sequence[object], caption: str
) -> tuple[TrainingSequence, TrainingSequence]:
    """The captioning and the generation sequence of a story, put together as the adapter puts a prompt together."""
    ids = segment_ids(tokens, segments)
    return builder.story(ids, tokens.encode(caption)), builder.story_image_tokens(ids)


def _until(ids: Sequence[int], stops: Collection[int]) -> list[int]:
    """The ids before the first stop."""
    end = next((position for position, token in enumerate(ids) if token in stops), len(ids))
    return list(ids[:end])
