"""Training sequences: which ids stand where, which of them are to be predicted, and packing (protocol 2.2-2.4).

What follows a caption on the right (padding, and in packed sequences the cut-off tails) is left out: attention is
causal and nothing there has a label, so it changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gill_bench.models.interleaved.prompt_encoder import IGNORED, segment_ids
from gill_bench.models.interleaved.tokens import LanguageTokens

PICTURE = -1  # stands at each position of a picture's embeddings


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """One sequence.

    Attributes:
        ids: T ids, `PICTURE` where an embedding of a picture stands.
        labels: T ids, -100 where nothing is to be predicted. They stand where the token stands, not one before.
        starts: Positions of the first [IMG] token of each example in it.
    """

    ids: list[int]
    labels: list[int]
    starts: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Builder:
    """Builds the rows of the three passes.

    Attributes:
        image_ids: Of [IMG0]..[IMG{r-1}].
        visual_tokens: Embeddings per picture, k.
        first_only: Whether of a row with [IMG] tokens only [IMG0] has a label, as the paper's Eq. 2 says.
    """

    image_ids: tuple[int, ...]
    visual_tokens: int
    first_only: bool = False

    def captioning(self, captions: Sequence[list[int]], packed: bool, prefix: Sequence[int] = ()) -> list[TrainingRow]:
        """Rows of pictures and their captions; BOS is to be predicted too, [IMG] tokens are not.

        Args:
            captions: Of `caption_ids`.
            packed: Two captions a row, the second without its BOS.
            prefix: Ids between picture and caption, without labels.
        """
        picture = [PICTURE] * self.visual_tokens + list(prefix)
        nothing = [IGNORED] * len(picture)
        texts = [_until(ids, self.image_ids) for ids in captions]
        if not packed:
            return [TrainingRow(picture + text, nothing + text) for text in texts]
        pairs = zip(texts[::2], texts[1::2], strict=True)
        return [
            TrainingRow(picture + first + picture + second[1:], nothing + first + nothing + second[1:])
            for first, second in pairs
        ]

    def image_tokens(
        self, captions: Sequence[list[int]], packed: bool, prefix: Sequence[int] = ()
    ) -> list[TrainingRow]:
        """Rows of captions and [IMG] tokens, without pictures.

        Labels end before the first [IMG1]; in a packed row that is inside the first caption, so that the second has
        none.

        Args:
            captions: Of `caption_ids`.
            packed: Two captions a row, the second without its BOS.
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
            TrainingRow([*prefix, *ids], [IGNORED] * begin + self._labels(ids), places)
            for ids, places in zip(sequences, starts, strict=True)
        ]

    def story(self, segments: Sequence[list[int] | None], caption: Sequence[int]) -> TrainingRow:
        """A row of an interleaved prompt and a caption of its target, which alone is to be predicted.

        Args:
            segments: Of `segment_ids`: None for a picture.
            caption: Ids, without BOS.
        """
        ids = self._flat(segments)
        return TrainingRow([*ids, *caption], [IGNORED] * len(ids) + list(caption))

    def story_image_tokens(self, segments: Sequence[list[int] | None]) -> TrainingRow:
        """A row of an interleaved prompt and the [IMG] tokens, of which the first is to be predicted."""
        ids = self._flat(segments)
        rest = [IGNORED] * (len(self.image_ids) - 1)
        return TrainingRow([*ids, *self.image_ids], [IGNORED] * len(ids) + [self.image_ids[0], *rest], [len(ids)])

    def _flat(self, segments: Sequence[list[int] | None]) -> list[int]:
        picture = [PICTURE] * self.visual_tokens
        return [token for ids in segments for token in (picture if ids is None else ids)]

    def _labels(self, ids: list[int]) -> list[int]:
        if self.first_only:
            return [token if token == self.image_ids[0] else IGNORED for token in ids]
        kept = _until(ids, self.image_ids[1:])
        return kept + [IGNORED] * (len(ids) - len(kept))


def caption_ids(tokens: LanguageTokens, caption: str, max_len: int) -> list[int]:
    """BOS, caption, [IMG] tokens: at most `max_len` ids; a long caption loses its end, never the [IMG] tokens.

    The authors cut all at `max_len` and write the [IMG] tokens over the last ids, which is the same (protocol 2.2).
    """
    return [tokens.bos, *tokens.encode(caption)][: max_len - len(tokens.image_ids)] + tokens.image_ids


def story_rows(
    tokens: LanguageTokens, builder: Builder, segments: Sequence[object], caption: str
) -> tuple[TrainingRow, TrainingRow]:
    """The captioning row and the generation row of a story, put together as the adapter puts a prompt together.

    Args:
        tokens: Tokenizer.
        builder: See there.
        segments: Texts, and anything else for pictures.
        caption: Of the target.
    """
    ids = segment_ids(tokens, segments)
    return builder.story(ids, tokens.encode(caption)), builder.story_image_tokens(ids)


def padded_labels(rows: Sequence[TrainingRow], length: int) -> Tensor:
    """Labels (N, length) as a language model's loss takes them.

    Args:
        rows: N rows.
        length: T, or 2T - 1 in packed passes, in the authors' code.
    """
    return torch.tensor([row.labels + [IGNORED] * (length - len(row.labels)) for row in rows])


def _until(ids: Sequence[int], stops: Collection[int]) -> list[int]:
    """The ids before the first stop."""
    end = next((place for place, token in enumerate(ids) if token in stops), len(ids))
    return list(ids[:end])
