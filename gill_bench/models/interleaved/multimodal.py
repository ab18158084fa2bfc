"""The reader that GILL and FROMAGe share: prompts with pictures, and pictures retrieved by the states at tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gill_bench.models.interleaved.answers import RetrievedImage
from gill_bench.models.interleaved.candidates import CandidateSet, read_pictures
from gill_bench.models.interleaved.decoding import DecodingOptions, Generation, assemble, decode, scale_of_gill
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
    """A model's trained network: the methods that `MultimodalReader` calls."""

    @property
    def logit_scale(self) -> Tensor:
        """Learnt logarithm of the factor on the cosine."""

    def embed_features(self, features: Tensor) -> Tensor:
        """Retrieval vectors (N, p) of pictures from their CLIP features (N, d); not normalised."""

    def embed_states(self, states: Tensor) -> Tensor:
        """Retrieval vectors (N, p) from states (N, r, e) at the tokens of a picture; not normalised."""


class MultimodalReader(PromptReader):
    """An `ImageRetriever`, `TextGenerator` and `TextScorer` that reads pictures; r tokens stand for one it produces."""

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
            PromptEncoder(*shared, settings.always_add_bos).encode,
            PromptEncoder(*shared, False).encode,
            use_cache=settings.use_cache,
            answer_scoring=settings.answer_scoring,
        )
        self.vision = vision
        self.heads = heads

    @property
    def logit_scale(self) -> float:
        """Learnt logarithm of the factor on the cosine: scores in the papers are cosine x exp(logit_scale)."""
        return float(self.heads.logit_scale)

    @torch.inference_mode()
    def image_token_states(self, prompts: Sequence[Prompt]) -> Tensor:
        """Last states (N, r, e) at a picture's tokens, which are appended to each prompt and read in one pass.

        For GILL these are the states that the authors get in two iterations with a huge `gen_scale_factor` (protocol
        1.12).
        """
        appended = self.language.embed(self.tokens.image_ids)
        states = [torch.empty(0, *appended.shape, dtype=appended.dtype, device=appended.device)]
        for first, encoded in self._encoded(prompts):
            sequences = [torch.cat([item.embeddings, appended]) for item in encoded]
            self._require_room(first, sequences)
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
        """Continue one prompt as the authors' `generate_for_images_and_texts` does: the answer may hold pictures.

        Args:
            prompt: The prompt to answer.
            options: Options of the decoding.
            max_num_rets: Largest number of pictures in the answer.
            generator: Randomness for temperatures above 0; None = torch's global generator.

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
        """For each query the nearest of `top` candidates until `most` pictures could be read, and the largest cosine.

        Both are None without candidates.
        """
        if candidates is None:
            return [None] * len(queries), [None] * len(queries)
        lists, largest = candidates.search(queries, top)
        scale = math.exp(self.logit_scale)
        return [
            tuple(
                RetrievedImage(item.path, item.row, item.cosine, item.cosine * scale, image, failure)
                for item, (image, failure) in zip(nearest, read_pictures(candidates, nearest, most), strict=False)
            )
            for nearest in lists
        ], [*largest]

    def _scale(self, logit: Tensor, options: DecodingOptions) -> Tensor:
        return scale_of_gill(logit, options)


def normalised(vectors: Tensor) -> NDArray[np.float32]:
    """L2-normalise vectors in float32, whatever the precision of the model."""
    array: NDArray[np.float32] = normalize(vectors.float(), dim=-1).cpu().numpy()
    return array
