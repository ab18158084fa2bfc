"""What GILL and FROMAGe share: prompts with pictures, and tokens at whose states a picture is retrieved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gill_bench.models.interleaved.answers import RetrievedImage
from gill_bench.models.interleaved.candidates import CandidateSet, read_pictures
from gill_bench.models.interleaved.decoding import DecodingOptions, decode, scale_of_gill
from gill_bench.models.interleaved.generated import Generation, assemble
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.prompt_encoder import PictureProjection, PromptEncoder
from gill_bench.models.interleaved.prompt_reader import PromptReader
from gill_bench.models.interleaved.settings import ReadingSettings
from gill_bench.models.interleaved.tokens import LanguageTokens
from gill_bench.models.interleaved.vision import VisualEncoder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from gill_bench.prompt import Prompt


class RetrievalHeads(PictureProjection, Protocol):
    """What is used here of a model's trained part."""

    @property
    def logit_scale(self) -> Tensor:
        """Learnt log-temperature of retrieval."""

    def embed_features(self, features: Tensor) -> Tensor:
        """Retrieval vectors (N, p) of pictures from their CLIP features (N, d); not normalised."""

    def embed_states(self, states: Tensor) -> Tensor:
        """Retrieval vectors (N, p) from states (N, r, e) at the tokens of a picture; not normalised."""


class MultimodalReader(PromptReader):
    """An `ImageRetriever`, `TextGenerator` and `TextScorer` that reads pictures.

    Args:
        tokens: Tokenizer, with the r tokens that stand for a picture.
        language: Language model.
        vision: Visual encoder.
        heads: The trained projections.
        settings: How prompts are read.
    """

    def __init__(
        self,
        tokens: LanguageTokens,
        language: LanguageModel,
        vision: VisualEncoder,
        heads: RetrievalHeads,
        settings: ReadingSettings,
    ) -> None:
        shared = (tokens, language, vision, heads)
        super().__init__(
            tokens,
            language,
            PromptEncoder(*shared, settings.always_add_bos),
            PromptEncoder(*shared, False),
            use_cache=settings.use_cache,
            answer_scoring=settings.answer_scoring,
        )
        self.vision = vision
        self.heads = heads

    @property
    def logit_scale(self) -> float:
        """Learnt log-temperature of retrieval; scores in the papers are cosine x exp(logit_scale)."""
        return float(self.heads.logit_scale)

    @torch.inference_mode()
    def image_token_states(self, prompts: Sequence[Prompt]) -> Tensor:
        """Last states (N, r, e) at the tokens of a picture, appended to each prompt and read in one pass.

        For GILL, the same as the authors' two iterations with a huge `gen_scale_factor` (protocol 1.12).

        Raises:
            InputError: A prompt is longer than the language model reads.
        """
        appended = self.language.embed(self.tokens.image_ids)
        states = [torch.empty(0, *appended.shape, dtype=appended.dtype, device=appended.device)]
        for place, encoded in self._encoded(prompts):
            sequences = [torch.cat([item.embeddings, appended]) for item in encoded]
            self._require_room(place, sequences)
            states.append(torch.stack([row[-len(appended) :] for row in self.language.states(sequences)]))
        return torch.cat(states)

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """L2-normalised retrieval vectors (N, p) of pictures."""
        return normalised(self.heads.embed_features(self.vision.features(images)))

    @torch.inference_mode()
    def embed_prompts(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """L2-normalised retrieval vectors (N, p) of prompts, by the state at the first token of a picture."""
        return normalised(self.heads.embed_states(self.image_token_states(prompts)))

    def generate(
        self,
        prompt: Prompt,
        options: DecodingOptions,
        *,
        max_num_rets: int = 1,
        generator: torch.Generator | None = None,
    ) -> Generation:
        """Continue one prompt as the authors' `generate_for_images_and_texts` does: the model may bring up pictures.

        Args:
            prompt: What is answered.
            options: Of the decoding.
            max_num_rets: Pictures at most.
            generator: For temperatures above 0; None = torch's global one.

        Raises:
            InputError: Prompt and answer are longer than the language model reads.
        """
        [(_, [encoded])] = self._encoded([prompt])
        decoded = decode(
            self.language,
            self.tokens,
            encoded.embeddings,
            options,
            generator,
            scale=self._scale,
            use_cache=self._use_cache,
        )
        return assemble(decoded, self.tokens, max_num_rets)

    def _retrieve(
        self, candidates: CandidateSet | None, queries: NDArray[np.float32], top: int, most: int
    ) -> tuple[list[tuple[RetrievedImage, ...] | None], list[float | None]]:
        """For each query, of the `top` nearest the first until `most` could be read, and the largest cosine.

        None without candidates.
        """
        if candidates is None:
            return [None] * len(queries), [None] * len(queries)
        lists, largest = candidates.search(queries, top)
        scale = math.exp(self.logit_scale)
        return [
            tuple(
                RetrievedImage(item.path, item.place, item.cosine, item.cosine * scale, image, failure)
                for item, (image, failure) in zip(found, read_pictures(candidates, found, most), strict=False)
            )
            for found in lists
        ], [*largest]

    def _scale(self, logit: Tensor, options: DecodingOptions) -> Tensor:
        return scale_of_gill(logit, options)


def normalised(vectors: Tensor) -> NDArray[np.float32]:
    """L2-normalised in float32, whatever the precision of the model."""
    array: NDArray[np.float32] = normalize(vectors.float(), dim=-1).cpu().numpy()
    return array
