"""GILL behind the shared model interface, with its inner quantities as methods of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize, pad

from gill_bench.errors import GillBenchError, InputError
from gill_bench.interfaces import Decision, GeneratedImage, Noise
from gill_bench.models.gill.decision import FILE as DECISION_FILE
from gill_bench.models.gill.decision import DecisionModel
from gill_bench.models.gill.decoding import DecodingOptions, decode, greedy_texts
from gill_bench.models.gill.outputs import Generation, assemble
from gill_bench.models.gill.parts import Parts, load_parts, resolve
from gill_bench.models.gill.sequences import EncodedPrompt, PromptEncoder
from gill_bench.models.gill.settings import Precision, Settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL.Image import Image

    from gill_bench.prompt import Prompt

BATCH = 8  # sequences in one pass of the language model
T = TypeVar("T")


class Gill:
    """GILL: `ImageGenerator`, `ImageRetriever`, `TextGenerator`, `TextScorer` and `Decider`.

    Results do not depend on which prompts come together, up to the rounding of batched matrix products.
    Use `from_pretrained` or `load`.
    """

    def __init__(self, parts: Parts, settings: Settings) -> None:
        self.tokens = parts.tokens
        self.language = parts.language
        self.vision = parts.vision
        self.heads = parts.heads
        self.pipeline = parts.pipeline
        self.settings = settings
        self.context = parts.context
        self.decision: DecisionModel | None = parts.decision
        shared = (parts.tokens, parts.language, parts.vision, parts.heads)
        self._encoder = PromptEncoder(*shared, settings.always_add_bos)
        self._bos_once = PromptEncoder(*shared, False)  # for log-likelihood, whatever the setting (protocol 1.15)

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

    @property
    def logit_scale(self) -> float:
        """Learnt log-temperature of retrieval; scores in the paper are cosine x exp(logit_scale)."""
        return float(self.heads.logit_scale)

    @torch.inference_mode()
    def image_token_states(self, prompts: Sequence[Prompt]) -> Tensor:
        """Last states (N, r, e) at the [IMG] tokens, appended to each prompt and read in one pass.

        The same as the authors' two iterations with a huge `gen_scale_factor` (protocol 1.12).

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

    @torch.inference_mode()
    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """L2-normalised retrieval vectors (N, p) of pictures."""
        return _normalised(self.heads.embed_features(self.vision.features(images)))

    @torch.inference_mode()
    def embed_prompts(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """L2-normalised retrieval vectors (N, p) of prompts, by the state at [IMG0]."""
        return _normalised(self.heads.embed_states(self.image_token_states(prompts)))

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

    @torch.inference_mode()
    def mean_log_likelihood(self, prompts: Sequence[Prompt]) -> list[float]:
        """Mean log-probability (nats) of each prompt's text tokens, given everything before them.

        The authors' `get_log_likelihood_scores` (protocol 1.15): BOS counts where a picture precedes it.

        Raises:
            InputError: A prompt has no text token that something precedes, or is too long.
        """
        scores = []
        for place, encoded in self._encoded(prompts, self._bos_once):
            self._require_room(place, [item.embeddings for item in encoded])
            rows = self.language.states([item.embeddings for item in encoded])
            for number, (states, item) in enumerate(zip(rows, encoded, strict=True), start=place):
                targets = item.labels[1:]
                if not prompts[number].texts or not bool((targets >= 0).any()):
                    raise InputError(f"prompt {number}: has no text to score")
                scores.append(-float(cross_entropy(self.language.logits(states[:-1]).float(), targets)))
        return scores

    @torch.inference_mode()
    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        """Sums of the log-probabilities (nats) of continuations' tokens after their prompts; no BOS between them.

        Raises:
            InputError: A prompt with its continuation is too long.
        """
        if len(prompts) != len(continuations):
            raise ValueError(f"{len(prompts)} prompts and {len(continuations)} continuations")
        scores = []
        for place, encoded in self._encoded(prompts):
            ids = [self.tokens.encode(text) for text in continuations[place : place + len(encoded)]]
            sequences = [
                torch.cat([item.embeddings, self.language.embed(row)]) for item, row in zip(encoded, ids, strict=True)
            ]
            self._require_room(place, sequences)
            for states, row in zip(self.language.states(sequences), ids, strict=True):
                # The state before each token predicts it.
                logits = self.language.logits(states[len(states) - len(row) - 1 : -1]).float()
                targets = torch.tensor(row, dtype=torch.long, device=logits.device)
                # 0 - x, because an empty continuation is certain, with 0.0 rather than -0.0.
                scores.append(0.0 - float(cross_entropy(logits, targets, reduction="sum")))
        return scores

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Continue prompts greedily, without [IMG] tokens; each text is cut before the first stop string.

        Raises:
            InputError: A prompt with its continuation is longer than the language model reads.
        """
        texts: list[str] = []
        for _, encoded in self._encoded(prompts):
            sequences = [item.embeddings for item in encoded]
            texts += greedy_texts(self.language, self.tokens, sequences, max_new_tokens, stop)
        return texts

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
        decoded = decode(self.language, self.tokens, encoded.embeddings, options, generator)
        return assemble(decoded, self.tokens, max_num_rets)

    def _encoded(
        self, prompts: Sequence[Prompt], encoder: PromptEncoder | None = None
    ) -> Iterator[tuple[int, list[EncodedPrompt]]]:
        """Encoded prompts, a batch at a time, with the number of the first in it."""
        for place in range(0, len(prompts), BATCH):
            with torch.inference_mode():
                encoded = (encoder or self._encoder).encode(prompts[place : place + BATCH])
            yield place, encoded

    def _require_room(self, place: int, sequences: Sequence[Tensor]) -> None:
        for number, sequence in enumerate(sequences, start=place):
            self.language.require_room(len(sequence), f"prompt {number}")


def _normalised(vectors: Tensor) -> NDArray[np.float32]:
    """L2-normalised in float32, whatever the precision of the model."""
    array: NDArray[np.float32] = normalize(vectors.float(), dim=-1).cpu().numpy()
    return array
