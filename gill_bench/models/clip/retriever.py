"""CLIP's two towers behind the shared model interface."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.functional import normalize

from gill_bench.errors import InputError
from gill_bench.models.clip.settings import Settings
from gill_bench.models.interleaved.loading import load_network
from gill_bench.models.interleaved.tokens import load_tokenizer
from gill_bench.models.interleaved.vision import VisualEncoder, load_processor
from gill_bench.models.sharing import shared

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from gill_bench.prompt import Prompt

_BATCH = 64  # texts in one pass


class Retriever:
    """An `ImageRetriever` by the features of two towers."""

    def __init__(self, settings: Settings, width: int) -> None:
        self.settings = settings
        self.width = width

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """L2-normalised projected features (N, p) of pictures."""
        array: NDArray[np.float32] = self._pictures(images).cpu().numpy()
        return array

    def embed_prompts(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """L2-normalised embeddings (N, p) of prompts.

        Text segments are joined by a space and cut on the right where they are longer than the text tower reads.
        `Settings.fusion` says whether pictures count.

        Raises:
            InputError: A prompt has nothing that `fusion` reads: no text with "text", no picture with "pictures".
        """
        fusion = self.settings.fusion
        reads_texts, reads_pictures = fusion != "pictures", fusion != "text"
        for number, prompt in enumerate(prompts):
            if not prompt.texts and not reads_pictures:
                raise InputError(f"prompt {number}: has no text, and fusion = 'text' reads nothing else")
            if not prompt.images and not reads_texts:
                raise InputError(f"prompt {number}: has no picture, and fusion = 'pictures' reads nothing else")
        texts = iter(self._texts([prompt.text for prompt in prompts if prompt.texts] if reads_texts else []))
        pictures = iter(
            self._pictures([image for prompt in prompts for image in prompt.images] if reads_pictures else [])
        )
        queries = [torch.empty(0, self.width)]
        for prompt in prompts:
            embeddings = [next(texts)] if prompt.texts and reads_texts else []
            embeddings += [next(pictures) for _ in prompt.images] if reads_pictures else []
            queries.append(normalize(torch.stack(embeddings).mean(dim=0), dim=0).cpu()[None])
        array: NDArray[np.float32] = torch.cat(queries).numpy()
        return array

    def _pictures(self, images: Sequence[Image]) -> Tensor:
        """L2-normalised features (N, p) of pictures, float32."""
        raise NotImplementedError

    def _texts(self, texts: Sequence[str]) -> Tensor:
        """L2-normalised features (N, p) of texts, float32."""
        raise NotImplementedError


class ClipRetriever(Retriever):
    """CLIP: an `ImageRetriever` by the projected features of both towers; pictures get CLIP's own resize and crop."""

    def __init__(self, model: Any, tokenizer: Any, processor: Any, settings: Settings) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._vision = VisualEncoder(model.vision_model, processor, squash_size=0)
        super().__init__(settings, int(model.config.projection_dim))

    @classmethod
    def load(cls, folder: Path, settings: Settings, device: str) -> ClipRetriever:
        """Load from the folder of a whole CLIP.

        Raises:
            InputError: Files are missing or damaged.
        """
        from transformers import CLIPModel, CLIPVisionModel

        tokenizer, processor = load_tokenizer(folder), load_processor(folder)
        if tokenizer.eos_token_id is None or tokenizer.pad_token_id is None:
            raise InputError(f"{folder}: this tokenizer has no token for the end of a text, or no token for padding")
        dtype = getattr(torch, settings.dtype)
        model = load_network(CLIPModel, folder, dtype, device)
        # GILL and FROMAGe see with the same tower: if one of them is loaded in this precision, CLIP shares its copy.
        model.vision_model = shared(CLIPVisionModel, folder, dtype, device, lambda: model.vision_model)
        return cls(model, tokenizer, processor, settings)

    @property
    def context(self) -> int:
        """Number of tokens that the text tower reads, begin and end included: 77 in the published CLIPs."""
        return int(self._model.config.text_config.max_position_embeddings)

    @torch.inference_mode()
    def _pictures(self, images: Sequence[Image]) -> Tensor:
        return normalize(self._model.visual_projection(self._vision.features(images)).float(), dim=-1)

    @torch.inference_mode()
    def _texts(self, texts: Sequence[str]) -> Tensor:
        projected = [torch.empty(0, self.width, device=self._model.device)]
        for start in range(0, len(texts), _BATCH):
            batch = self._tokenizer(
                list(texts[start : start + _BATCH]),
                padding=True,
                truncation=True,
                max_length=self.context,
                return_tensors="pt",
            ).to(self._model.device)
            pooled = self._model.text_model(**batch).pooler_output
            projected.append(self._model.text_projection(pooled).float())
        return normalize(torch.cat(projected), dim=-1)
