"""FROMAGe behind the shared model interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gill_bench.models.fromage.arguments import FromageArguments
from gill_bench.models.fromage.checkpoint import read_checkpoint
from gill_bench.models.interleaved.answers import AnswerImage, RetrievalAnswer, answer_of
from gill_bench.models.interleaved.candidates import CandidateSet
from gill_bench.models.interleaved.checking import check_reader_files
from gill_bench.models.interleaved.decoding import DecodingOptions, Generation
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.loading import freeze
from gill_bench.models.interleaved.model_args import named_folders, read_model_args
from gill_bench.models.interleaved.multimodal import MultimodalReader, normalised
from gill_bench.models.interleaved.settings import ReadingSettings
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokenizer
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.models.precision import Precision, resolve_dtype

if TYPE_CHECKING:
    from gill_bench.prompt import Prompt

RET = "[RET]"
_SPARE = 3  # candidates tried beyond those wanted, since many pictures of the web are gone (protocol 4)
_UNDECIDED = "FROMAGe retrieves every picture"


class Fromage(MultimodalReader):
    """FROMAGe: `ImageRetriever`, `TextGenerator` and `TextScorer`.

    Results do not depend on which prompts share a batch, up to the rounding of batched matrix products.
    Use `from_pretrained` or `load`.
    """

    @classmethod
    def load(cls, weights: Mapping[str, Path], settings: ReadingSettings, device: str) -> Fromage:
        """Load from local folders, the small parts first."""
        arguments = check_reader_files(weights, FromageArguments)
        dtype = resolve_dtype(settings.dtype, device, torch.bfloat16)
        tokens = load_ret_tokens(weights["llm"])
        heads = read_checkpoint(weights, arguments, table_rows=tokens.size).fill(dtype)
        freeze(heads).to(device)
        return cls(
            tokens,
            # The table of OPT-6.7b shrinks, from 50272 rows to 50267.
            LanguageModel.load(weights["llm"], dtype, device, tokens.size, heads.ret_input_embeddings.weight),
            VisualEncoder.load(weights["visual_encoder"], dtype, device, settings.squashed_to),
            heads,
            settings,
        )

    @classmethod
    def from_pretrained(
        cls,
        checkpoint: Path | str,
        llm: Path | str | None = None,
        visual_encoder: Path | str | None = None,
        *,
        dtype: Precision | None = None,
        device: str = "cpu",
        settings: ReadingSettings | None = None,
    ) -> Fromage:
        """Load from folders or hub ids.

        Args:
            checkpoint: Folder with `model_args.json` and the trained tensors.
            llm: Folder or hub id of the OPT; None = the one that `model_args.json` names.
            visual_encoder: Folder or hub id of the CLIP; None = the one that `model_args.json` names.
            dtype: Precision of all weights; None = the precision in the settings.
            device: A torch device.
            settings: Precision, preprocessing, and how prompts are read; None = the defaults.

        Raises:
            InputError: The weights are damaged or do not fit together; names file and key.
        """
        folder = Path(checkpoint)
        folders = named_folders(folder, read_model_args(folder, FromageArguments), llm, visual_encoder)
        settings = settings or ReadingSettings()
        return cls.load(folders, settings.model_copy(update={"dtype": dtype or settings.dtype}), device)

    def generate(
        self,
        prompt: Prompt,
        options: DecodingOptions,
        *,
        max_num_rets: int = 1,
        generator: torch.Generator | None = None,
    ) -> Generation:
        """Continue one prompt; with each [RET] the model asks for a picture.

        This is the authors' `generate_for_images_and_texts`. The logit of [RET] is multiplied by `ret_scale_factor`,
        which makes a negative logit smaller, whereas GILL takes the absolute value first (protocol 4). The heads'
        `embed_states` makes queries of the states. The authors' `num_words` = 0 is not offered: it looks for a [RET]
        typed in the prompt, and looks in the wrong position where a picture precedes it. Use `embed_prompts` instead.

        Raises:
            InputError: Prompt and answer are longer than the language model reads.
            ValueError: The options set `gen_scale_factor`, which FROMAGe does not have.
        """
        if options.gen_scale_factor != 1:
            raise ValueError(f"gen_scale_factor = {options.gen_scale_factor}: FROMAGe generates no pictures")
        return super().generate(prompt, options, max_num_rets=max_num_rets, generator=generator)

    def generate_with_images(
        self,
        prompt: Prompt,
        options: DecodingOptions,
        *,
        candidates: CandidateSet,
        max_img_per_ret: int = 1,
        max_num_rets: int = 1,
        generator: torch.Generator | None = None,
    ) -> RetrievalAnswer:
        """Continue one prompt with text and, for each [RET] that was read, pictures from the candidates.

        This is the authors' `generate_for_images_and_texts` (protocol 4), but with exact float32 scores. Nothing is
        decided: every picture is retrieved.

        Args:
            prompt: The prompt to answer.
            options: Options of the decoding; with a `num_words` below 2 no [RET] is read.
            candidates: Pictures that can be retrieved.
            max_img_per_ret: Pictures wanted for each [RET]. Three more candidates than this are tried, best first; a
                candidate whose picture cannot be had is in the answer with the reason.
            max_num_rets: Largest number of [RET] tokens in the answer.
            generator: Randomness for temperatures above 0; None = torch's global generator.

        Raises:
            InputError: Prompt and answer are too long, or the candidates are of another width.
            ValueError: The options set `gen_scale_factor`, which FROMAGe does not have.
        """
        generation = self.generate(prompt, options, max_num_rets=max_num_rets, generator=generator)
        with torch.inference_mode():
            queries = normalised(self.heads.embed_states(generation.states))
        retrieved, largest = self._retrieve(candidates, queries, max_img_per_ret + _SPARE, max_img_per_ret)
        images = [
            AnswerImage(None, _UNDECIDED, pictures, cosine, ())
            for pictures, cosine in zip(retrieved, largest, strict=True)
        ]
        return answer_of(generation.ids, generation.texts, images)

    def _scale(self, logit: Tensor, options: DecodingOptions) -> Tensor:
        return logit * options.ret_scale_factor


def load_ret_tokens(folder: Path) -> LanguageTokens:
    """Load the tokenizer of an OPT folder with FROMAGe's additions; [RET] is 50266 in the real one."""
    tokenizer = load_tokenizer(folder)
    tokenizer.pad_token = tokenizer.eos_token  # as in the authors' inference; training keeps <pad>
    return LanguageTokens(tokenizer, [RET], str(folder))
