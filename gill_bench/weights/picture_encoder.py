"""Encoders of pictures of any class of transformers: SigLIP, AltCLIP, DINOv2 and their kind, for models and metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gill_bench.errors import InputError
from gill_bench.storage.long_pictures import shortened
from gill_bench.storage.reading import read_json
from gill_bench.weights.loading import read_network, read_part

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

CLIPS = ("clip", "clip_vision_model")
"""Model types of CLIP, which has code of its own in the adapter `clip` and in the metrics."""
Features = Literal["projected", "pooled"]


def encoder_width(folder: Path, default: int) -> int:
    """Width of the picture encoder that a folder's config.json describes; `default` if it does not say.

    Raises:
        InputError: The folder has no config.json with a model type.
    """
    config = read_json(folder / "config.json")
    if not isinstance(config.get("model_type"), str):
        raise InputError(f"{folder / 'config.json'}: no model_type; expected the files of an encoder of pictures")
    vision = config.get("vision_config")
    width = (vision if isinstance(vision, dict) else config).get("hidden_size", default)
    return width if isinstance(width, int) else default


def has_text_tower(folder: Path) -> bool:
    """Whether a folder's config.json describes a model of pictures and texts, whose features share a space."""
    config = read_json(folder / "config.json")
    return all(isinstance(config.get(part), dict) for part in ("vision_config", "text_config"))


class PictureEncoder:
    """A network, and the image processor of its files.

    Args:
        network: A network of `AutoModel`; one with two towers has `get_image_features`.
        processor: Its image processor.
        features: "projected" = what `get_image_features` gives; "pooled" = the pooled output of the picture tower.
    """

    def __init__(self, network: Any, processor: Any, features: Features) -> None:
        self.network = network.eval().requires_grad_(False)
        self.processor = processor
        self._features = features

    @classmethod
    def load(cls, folder: Path, dtype: str, device: str, features: Features = "projected") -> PictureEncoder:
        """Load a folder, as `save_pretrained` writes it. Pictures are resized by PIL where the library can.

        Raises:
            InputError: Files are missing or damaged, or hold a network that gives no such features.
        """
        import torch
        from transformers import AutoImageProcessor, AutoModel

        processor = read_part(AutoImageProcessor, folder, "image processor", backend="pil")
        network = read_network(AutoModel, folder, getattr(torch, dtype), what="an encoder of pictures")
        if features == "projected" and not hasattr(network, "get_image_features"):
            kind = type(network).__name__
            raise InputError(f'{folder}: {kind} has no projection of pictures; choose features = "pooled"')
        return cls(network.to(device), processor, features)

    def inputs(self, images: Sequence[Image.Image]) -> dict[str, Tensor]:
        """The network's inputs of N RGB pictures, on the CPU: tensors whose first dimension is N."""
        shown = [shortened(image, self.processor) for image in images]
        return dict(self.processor(images=shown, return_tensors="pt"))

    def encode(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Features (N, d), float32, of the inputs of N pictures."""
        model = self.network
        placed = {
            name: value.to(model.device, model.dtype if value.is_floating_point() else None)
            for name, value in inputs.items()
        }
        if self._features == "projected":
            output = model.get_image_features(**placed)
        else:
            output = getattr(model, "vision_model", model)(**placed)
        features: Any = getattr(output, "pooler_output", output)
        if features is None:
            raise InputError(f"{type(model).__name__} gives no pooled features of pictures")
        pooled: Tensor = features.float().flatten(start_dim=1)
        return pooled
