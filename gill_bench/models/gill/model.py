"""GILL behind the shared model interface, with its inner quantities as methods of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from gill_bench.errors import GillBenchError, InputError
from gill_bench.interfaces import Decision, GeneratedImage, Noise
from gill_bench.models.gill.decision import FILE as DECISION_FILE
from gill_bench.models.gill.decision import DecisionModel
from gill_bench.models.gill.multimodal import MultimodalReader
from gill_bench.models.gill.network import Heads
from gill_bench.models.gill.parts import Parts, load_parts, resolve
from gill_bench.models.gill.settings import Precision, Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gill_bench.prompt import Prompt


class Gill(MultimodalReader):
    """GILL: `ImageGenerator`, `ImageRetriever`, `TextGenerator`, `TextScorer` and `Decider`.

    Results do not depend on which prompts come together, up to the rounding of batched matrix products.
    Use `from_pretrained` or `load`.
    """

    heads: Heads

    def __init__(self, parts: Parts, settings: Settings) -> None:
        super().__init__(parts.tokens, parts.language, parts.vision, parts.heads, settings)
        self.pipeline = parts.pipeline
        self.settings = settings
        self.context = parts.context
        self.decision: DecisionModel | None = parts.decision

    @classmethod
    def load(cls, weights: Mapping[str, Path], settings: Settings, device: str) -> Gill:
        """Load from local folders.

        Args:
            weights: Folders by component: `checkpoint`, `llm`, `visual_encoder`, and `image_decoder`, without which no
                pictures are generated.
            settings: Precision, preprocessing and sampling.
            device: A torch device.

        Raises:
            InputError: The weights are damaged or do not fit together; names file and key.
        """
        return cls(load_parts(weights, settings, device), settings)

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: Path | str,
        llm: Path | str | None = None,
        visual_encoder: Path | str | None = None,
        image_decoder: Path | str | None = None,
        *,
        dtype: Precision | None = None,
        device: str = "cpu",
        settings: Settings | None = None,
    ) -> Gill:
        """Load from folders or hub ids.

        Args:
            checkpoint: Folder with `model_args.json` and the trained tensors.
            llm: OPT; None = what `model_args.json` names, a hub id or a folder absolute or relative to the checkpoint.
            visual_encoder: CLIP; likewise.
            image_decoder: Stable Diffusion; None = pictures are not generated, only their conditioning.
            dtype: Of everything but the image decoder; None = as in the settings.
            device: A torch device.
            settings: None = the defaults.

        Raises:
            InputError: The weights are damaged or do not fit together; names file and key.
        """
        folders = resolve(Path(checkpoint), llm, visual_encoder, image_decoder)
        settings = settings or Settings()
        return cls.load(folders, settings.model_copy(update={"dtype": dtype or settings.dtype}), device)

    @torch.inference_mode()
    def condition(self, states: Tensor) -> Tensor:
        """Conditioning (N, L, width) of the image decoder from states (N, r, e); zeros after the head's vectors."""
        vectors = self.heads.condition(states)
        finite = torch.isfinite(vectors).flatten(1).all(dim=1)
        if not bool(finite.all()):
            place = int((~finite).nonzero()[0])
            raise GillBenchError(
                f"the conditioning of prompt {place} of {len(vectors)} is not finite: the weights are damaged, or the"
                " precision is too narrow (dtype)"
            )
        return pad(vectors, (0, 0, 0, self.context - vectors.shape[1]))

    def conditioning(self, prompts: Sequence[Prompt]) -> Tensor:
        """Conditioning (N, L, width) of the image decoder for prompts; L = 77 and width = 768 for SD v1.5."""
        return self.condition(self.image_token_states(prompts))

    def generate_images(
        self, prompts: Sequence[Prompt], noise: Sequence[Sequence[Noise]]
    ) -> list[list[GeneratedImage]]:
        """Generate one picture per prompt and noise; each prompt is encoded once.

        Raises:
            InputError: Loaded without an image decoder, or a prompt is too long.
        """
        if self.pipeline is None:
            raise InputError("GILL was loaded without an image decoder; give one to generate pictures")
        from gill_bench.models.diffusion import sample

        return sample(
            self.pipeline,
            self.conditioning(prompts),
            noise,
            num_inference_steps=self.settings.num_inference_steps,
            guidance_scale=self.settings.guidance_scale,
        )

    def decision_features(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """States (N, e) at [IMG0]."""
        features: NDArray[np.float32] = self.image_token_states(prompts)[:, 0].float().cpu().numpy()
        return features

    def decide(self, prompts: Sequence[Prompt], similarities: Sequence[float] | None = None) -> list[Decision]:
        """Decide for each prompt.

        Args:
            prompts: N prompts.
            similarities: N largest cosine similarities to the retrieval candidates, for decision models that read it.

        Raises:
            InputError: The checkpoint has no decision model, or it needs the similarities.
        """
        if self.decision is None:
            raise InputError(f"this GILL checkpoint has no {DECISION_FILE}, so nothing can be decided")
        return self.decision(self.image_token_states(prompts)[:, 0], similarities)
