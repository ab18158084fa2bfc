"""Other encoders behind the shared model interface: SigLIP, AltCLIP and their kind; and those of pictures alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL.Image import new as new_picture
from torch import Tensor, nn
from torch.nn.functional import normalize

from gill_bench.errors import InputError
from gill_bench.models.clip.retriever import Retriever
from gill_bench.models.clip.settings import Settings
from gill_bench.models.literal import literal
from gill_bench.storage.images import rgb_of
from gill_bench.weights.loading import read_part
from gill_bench.weights.picture_encoder import PictureEncoder

if TYPE_CHECKING:
    from PIL.Image import Image

BATCH = 64  # texts or pictures in one pass
_PADDED = ("siglip", "siglip2")  # trained on texts of one length, and without a mask of what is padding
_SANE = 1 << 20  # tokenizers without a limit name a far larger one


class PictureRetriever(Retriever):
    """An `ImageRetriever` by the features of pictures alone, such as DINOv2's.

    Args:
        encoder: The encoder of pictures.
        settings: How a prompt becomes a query; without a text tower, `fusion` must be "pictures".
        width: Length of the features; None = that of a blank picture's.
    """

    def __init__(self, encoder: PictureEncoder, settings: Settings, width: int | None = None) -> None:
        self._encoder = encoder
        self._network = encoder.network
        if width is None:
            width = encoder.encode(encoder.inputs([new_picture("RGB", (64, 64))])).shape[1]
        super().__init__(settings, width)

    @torch.inference_mode()
    def _pictures(self, images: Sequence[Image]) -> Tensor:
        features = [torch.empty(0, self.width, device=self._network.device)]
        for start in range(0, len(images), BATCH):
            batch = [rgb_of(image) for image in images[start : start + BATCH]]
            features.append(self._encoder.encode(self._encoder.inputs(batch)))
        return normalize(torch.cat(features), dim=-1)

    def _texts(self, texts: Sequence[str]) -> Tensor:
        return torch.empty(0, self.width)


class TwoTowerRetriever(PictureRetriever):
    """An `ImageRetriever` by `get_image_features` and `get_text_features` of any model that has both."""

    def __init__(self, encoder: PictureEncoder, processor: Any, settings: Settings) -> None:
        self._encoder = encoder
        self._network = encoder.network
        self._tokenizer = literal(getattr(processor, "tokenizer", processor))
        self._options = self._text_options(processor)
        with torch.inference_mode():
            width = self._encoded(["a"]).shape[1]
        super().__init__(encoder, settings, width)

    @classmethod
    def load(cls, folder: Path, settings: Settings, device: str) -> TwoTowerRetriever:
        """Load from a folder, as `save_pretrained` writes it.

        Raises:
            InputError: Files are missing or damaged, or hold a model without a text tower.
        """
        from transformers import AutoProcessor

        encoder = PictureEncoder.load(folder, settings.dtype, device)
        if not hasattr(encoder.network, "get_text_features"):
            raise InputError(f"{folder}: {type(encoder.network).__name__} has no text tower, which reads the prompts")
        return cls(encoder, read_part(AutoProcessor, folder, "processor"), settings)

    @property
    def context(self) -> int:
        """Number of tokens that the text tower reads, special ones included: 64 in SigLIP."""
        length: int = self._options["max_length"]
        return length

    def _text_options(self, processor: Any) -> dict[str, Any]:
        """How texts are cut and padded: as the class of the processor says, else as the family was trained."""
        defaults = getattr(getattr(type(processor), "valid_processor_kwargs", None), "_defaults", {})
        own = {**defaults.get("text_kwargs", {}), **(getattr(type(processor), "text_kwargs", None) or {})}
        config = self._network.config
        most = min(self._tokenizer.model_max_length, _SANE, self._positions())
        padding = "max_length" if config.model_type in _PADDED else own.get("padding", True)
        return {"padding": padding, "truncation": True, "max_length": min(own.get("max_length", most), most)}

    def _positions(self) -> int:
        """Number of positions of the text tower; some begin to count after the position that stands for padding."""
        limit = int(getattr(self._network.config.text_config, "max_position_embeddings", _SANE))
        for name, module in self._network.named_modules():
            if (
                name.endswith("position_embeddings")
                and isinstance(module, nn.Embedding)
                and module.padding_idx is not None
            ):
                return limit - module.padding_idx - 1
        return limit

    @torch.inference_mode()
    def _texts(self, texts: Sequence[str]) -> Tensor:
        features = [torch.empty(0, self.width, device=self._network.device)]
        features += [self._encoded(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        return normalize(torch.cat(features), dim=-1)

    def _encoded(self, texts: Sequence[str]) -> Tensor:
        batch = self._tokenizer(list(texts), return_tensors="pt", **self._options).to(self._network.device)
        output = self._network.get_text_features(**batch)
        features: Tensor = getattr(output, "pooler_output", output).float()
        return features
