"""Interleaved prompts as input embeddings (protocol 1.11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.tokens import LanguageTokens
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.prompt import Prompt

IGNORED = -100  # label of a position that holds a picture, or that is not to be predicted


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """A prompt as the language model reads it.

    Attributes:
        embeddings: Input embeddings (T, e).
        labels: The id at each position, (T,); -100 where a picture is.
    """

    embeddings: Tensor
    labels: Tensor


class PictureProjection(Protocol):
    """A model's trained projection of pictures into the language model."""

    def visual_tokens(self, features: Tensor) -> Tensor:
        """Input embeddings (N, k, e) of pictures from their CLIP features (N, d)."""


class PromptEncoder:
    """Puts prompts together: k embeddings per picture, the ids of text segments, and nothing between them."""

    def __init__(
        self,
        tokens: LanguageTokens,
        language: LanguageModel,
        vision: VisualEncoder,
        heads: PictureProjection,
        always_add_bos: bool,
    ) -> None:
        self._tokens = tokens
        self._language = language
        self._vision = vision
        self._heads = heads
        self._always_add_bos = always_add_bos

    def encode(self, prompts: Sequence[Prompt]) -> list[EncodedPrompt]:
        """Encode N prompts; their pictures go through the visual encoder together."""
        images = [image for prompt in prompts for image in prompt.images]
        projected = self._heads.visual_tokens(self._vision.features(images))
        pictures = iter(projected)
        picture = [IGNORED] * projected.shape[1]
        encoded = []
        for prompt in prompts:
            segments = segment_ids(self._tokens, prompt.segments, self._always_add_bos)
            parts = [next(pictures) if ids is None else self._language.embed(ids) for ids in segments]
            labels = [label for ids in segments for label in (picture if ids is None else ids)]
            encoded.append(EncodedPrompt(torch.cat(parts), torch.tensor(labels, device=self._language.device)))
        return encoded


def segment_ids(
    tokens: LanguageTokens, segments: Sequence[object], always_add_bos: bool = False
) -> list[list[int] | None]:
    """Ids of each segment, None for a picture; BOS stands before the first text, even where a picture precedes it.

    A prompt without text ends in BOS, as if its last segment were an empty text: in training no text begins without it.

    Args:
        tokens: Tokenizer.
        segments: Texts; any object that is no text stands for a picture.
        always_add_bos: Whether BOS stands before every text segment, not only before the first.
    """
    all_ids: list[list[int] | None] = []
    begun = False
    for segment in segments if any(isinstance(item, str) for item in segments) else (*segments, ""):
        if not isinstance(segment, str):
            all_ids.append(None)
            continue
        ids = tokens.encode(segment)
        all_ids.append([tokens.bos, *ids] if not begun or always_add_bos else ids)
        begun = True
    return all_ids
