"""GILL behind the shared model interface, with states and conditioning as methods of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from gill_bench.errors import GillBenchError, InputError
from gill_bench.interfaces import Decision, GeneratedImage, Noise
from gill_bench.models.diffusers.pipelines import load_pipeline, sample
from gill_bench.models.gill.arguments import GillArguments
from gill_bench.models.gill.checking import DECISION_FILE, check_files
from gill_bench.models.gill.checkpoint import read_checkpoint
from gill_bench.models.gill.decision import DecisionModel
from gill_bench.models.gill.network import GillHeads
from gill_bench.models.gill.settings import Settings
from gill_bench.models.interleaved.answers import AnswerImage, RankedImage, RetrievalAnswer, answer_of
from gill_bench.models.interleaved.candidates import CandidateSet
from gill_bench.models.interleaved.decoding import DecodingOptions
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.loading import freeze
from gill_bench.models.interleaved.model_args import find_folder, named_folders, read_model_args
from gill_bench.models.interleaved.multimodal import MultimodalReader, normalised
from gill_bench.models.interleaved.network_sizes import CONTEXT, decoder_sizes
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokens
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.models.precision import Precision, resolve_dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from gill_bench.models.diffusers.pipelines import Pipeline
    from gill_bench.prompt import Prompt

_BATCH = 8  # pictures of one prompt generated in one pass, as the authors do


class Gill(MultimodalReader):
    """GILL: `ImageGenerator`, `ImageRetriever`, `TextGenerator`, `TextScorer` and `Decider`.

    Results do not depend on which prompts share a batch, up to the rounding of batched matrix products.
    Use `from_pretrained` or `load`.

    Attributes:
        context: Conditioning vectors that the image decoder reads, L.
        decision: The classifier; None where the checkpoint has none.
        pipeline: The image decoder; None where none was given.
    """

    heads: GillHeads

    def __init__(
        self,
        tokens: LanguageTokens,
        language: LanguageModel,
        vision: VisualEncoder,
        heads: GillHeads,
        settings: Settings,
        *,
        context: int,
        decision: DecisionModel | None,
        pipeline: Pipeline | None,
    ) -> None:
        super().__init__(tokens, language, vision, heads, settings)
        self.settings, self.context, self.decision, self.pipeline = settings, context, decision, pipeline

    @classmethod
    def load(cls, weights: Mapping[str, Path], settings: Settings, device: str) -> Gill:
        """Load from local folders, the small parts first.

        Args:
            weights: Folders by component: `checkpoint`, `llm`, `visual_encoder`, and `image_decoder`, without which no
                pictures are generated.
            settings: Precision, preprocessing and sampling.
            device: A torch device.
        """
        arguments = check_files(weights, safety_checker=settings.safety_checker)
        dtype = resolve_dtype(settings.dtype, device, torch.bfloat16)
        tokens = load_tokens(weights["llm"], arguments.num_tokens)
        checkpoint = read_checkpoint(weights, arguments, table_rows=tokens.size)
        heads = checkpoint.fill(dtype)
        freeze(heads).to(device)
        # The classifier is a child of the model in the authors' code, hence of its precision (protocol 1.8).
        decision = checkpoint.decision and DecisionModel(*(tensor.to(device, dtype) for tensor in checkpoint.decision))
        pipeline = None
        context = max(CONTEXT, heads.sizes.num_clip_tokens)
        if "image_decoder" in weights:
            context = decoder_sizes(weights["image_decoder"]).context
            pipeline = load_pipeline(
                weights["image_decoder"],
                dtype=resolve_dtype(settings.image_decoder_dtype, device, torch.float16),
                device=device,
                scheduler=settings.scheduler,
                safety_checker=settings.safety_checker,
            )
        return cls(
            tokens,
            LanguageModel.load(weights["llm"], dtype, device, tokens.size, heads.input_embeddings.weight),
            VisualEncoder.load(weights["visual_encoder"], dtype, device, settings.squashed_to),
            heads,
            settings,
            context=context,
            decision=decision,
            pipeline=pipeline,
        )

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
            llm: Folder or hub id of the OPT; None = the one that `model_args.json` names.
            visual_encoder: Folder or hub id of the CLIP; None = the one that `model_args.json` names.
            image_decoder: Folder or hub id of the Stable Diffusion; None = pictures are not generated, only their
                conditioning.
            dtype: Precision of everything but the image decoder; None = the precision in the settings.
            device: A torch device.
            settings: Precision, preprocessing and sampling; None = the defaults.

        Raises:
            InputError: The weights are damaged or do not fit together; names file and key.
        """
        folder = Path(checkpoint)
        folders = named_folders(folder, read_model_args(folder, GillArguments), llm, visual_encoder)
        if image_decoder is not None:
            folders["image_decoder"] = find_folder(image_decoder, folder)
        settings = settings or Settings()
        return cls.load(folders, settings.model_copy(update={"dtype": dtype or settings.dtype}), device)

    @torch.inference_mode()
    def condition(self, states: Tensor) -> Tensor:
        """Conditioning (N, L, width) of the image decoder from states (N, r, e): the head's vectors, then zeros."""
        vectors = self.heads.condition(states)
        finite = torch.isfinite(vectors).flatten(1).all(dim=1)
        if not bool(finite.all()):
            number = int((~finite).nonzero()[0])
            raise GillBenchError(
                f"the conditioning of prompt {number} of {len(vectors)} is not finite: the weights are damaged, or the"
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
            InputError: The model was loaded without an image decoder, or a prompt is too long.
        """
        self._require_decoder()
        return self._sample(self.conditioning(prompts), noise)

    def decision_features(self, prompts: Sequence[Prompt]) -> NDArray[np.float32]:
        """States (N, e) at [IMG0]."""
        features: NDArray[np.float32] = self.image_token_states(prompts)[:, 0].float().cpu().numpy()
        return features

    def decide(self, prompts: Sequence[Prompt], similarities: Sequence[float] | None = None) -> list[Decision]:
        """Decide for each prompt.

        Args:
            prompts: N prompts.
            similarities: For each prompt the largest cosine similarity to the retrieval candidates; None = not known.

        Raises:
            InputError: The checkpoint has no decision model, or the decision model needs the similarities.
        """
        if self.decision is None:
            raise InputError(f"this GILL checkpoint has no {DECISION_FILE}, so nothing can be decided")
        return self.decision(self.image_token_states(prompts)[:, 0], similarities)

    def generate_with_images(
        self,
        prompt: Prompt,
        options: DecodingOptions,
        *,
        candidates: CandidateSet | None = None,
        top: int = 3,
        noise: Sequence[Noise] = (Noise(0),),
        max_num_rets: int = 1,
        generator: torch.Generator | None = None,
    ) -> RetrievalAnswer:
        """Continue one prompt with text and pictures; each picture is retrieved and generated, and a decision made.

        This is the authors' `generate_for_images_and_texts` (protocol 1.12, 1.13), with two differences: scores are
        exact float32 rather than bfloat16, and generated pictures are ranked whether or not there are candidates.

        Args:
            prompt: The prompt to answer.
            options: Options of the decoding; with a `num_words` below 2 no picture is read.
            candidates: Pictures that can be retrieved; None = no picture is retrieved.
            top: Number of candidates retrieved for each picture of the answer.
            noise: A noise for each picture to generate, used for each of the answer's pictures; empty = no picture is
                generated, and no image decoder is needed.
            max_num_rets: Largest number of pictures in the answer.
            generator: Randomness for temperatures above 0; None = torch's global generator.

        Raises:
            InputError: Prompt and answer are too long, the candidates are of another width, or the model was loaded
                without an image decoder.
        """
        if noise:
            self._require_decoder()
        generation = self.generate(prompt, options, max_num_rets=max_num_rets, generator=generator)
        states = generation.states
        queries = normalised(self.heads.embed_states(states))
        retrieved, largest = self._retrieve(candidates, queries, top, top)
        conditioning = self.condition(states) if noise else states
        images: list[AnswerImage] = []
        for number, query in enumerate(queries):
            decision, undecided = self._decide_one(states[number : number + 1, 0], largest[number])
            pictures = [
                picture
                for start in range(0, len(noise), _BATCH)
                for picture in self._sample(conditioning[number : number + 1], [noise[start : start + _BATCH]])[0]
            ]
            ranked = self._rank(pictures, query)
            images.append(AnswerImage(decision, undecided, retrieved[number], largest[number], ranked))
        return answer_of(generation.ids, generation.texts, images)

    def _require_decoder(self) -> None:
        if self.pipeline is None:
            raise InputError("GILL was loaded without an image decoder; give one to generate pictures")

    def _sample(self, conditioning: Tensor, noise: Sequence[Sequence[Noise]]) -> list[list[GeneratedImage]]:
        assert self.pipeline is not None
        return sample(
            self.pipeline,
            conditioning,
            noise,
            num_inference_steps=self.settings.num_inference_steps,
            guidance_scale=self.settings.guidance_scale,
        )

    def _decide_one(self, states: Tensor, similarity: float | None) -> tuple[Decision | None, str]:
        """Decide for the state (1, e) at one [IMG0], or say why not."""
        if self.decision is None:
            return None, f"this checkpoint has no {DECISION_FILE}"
        if similarity is None and self.decision.reads_similarity(states.shape[1]):
            return None, f"{DECISION_FILE} reads the largest similarity to the candidates, and there are none"
        [decision] = self.decision(states, None if similarity is None else [similarity])
        return decision, ""

    def _rank(self, pictures: Sequence[GeneratedImage], query: NDArray[np.float32]) -> tuple[RankedImage, ...]:
        """Rank pictures by the cosine of their retrieval vectors to the query, best first; ties keep their order."""
        cosines = (self.embed_images([picture.image for picture in pictures]) @ query).tolist()
        ranked = [
            RankedImage(picture, cosine, number)
            for number, (picture, cosine) in enumerate(zip(pictures, cosines, strict=True))
        ]
        return tuple(sorted(ranked, key=lambda item: -item.cosine))
