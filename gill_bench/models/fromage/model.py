"""FROMAGe behind the shared model interface."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gill_bench.models.diffusers.pipelines import resolve_dtype
from gill_bench.models.fromage import Settings
from gill_bench.models.fromage.arguments import read_arguments
from gill_bench.models.fromage.checking import check_weights
from gill_bench.models.fromage.checkpoint import MODEL, account, empty_heads, fill_heads
from gill_bench.models.fromage.network import FromageSizes
from gill_bench.models.gill.checkpoint import find_checkpoint, read_tensors
from gill_bench.models.gill.parts import find_folder
from gill_bench.models.interleaved.candidates import CandidateSet
from gill_bench.models.interleaved.configs import language_sizes, vision_width
from gill_bench.models.interleaved.decoding import DecodingOptions
from gill_bench.models.interleaved.language import LanguageModel
from gill_bench.models.interleaved.loading import freeze
from gill_bench.models.interleaved.multimodal import MultimodalReader, normalised
from gill_bench.models.interleaved.outputs import Generation
from gill_bench.models.interleaved.retrieval import AnswerImage, RetrievalAnswer, answer_of
from gill_bench.models.interleaved.settings import Precision
from gill_bench.models.interleaved.tokens import LanguageTokens, load_tokenizer
from gill_bench.models.interleaved.vision import VisualEncoder

if TYPE_CHECKING:
    from gill_bench.prompt import Prompt

RET = "[RET]"
_SPARE = 3  # candidates tried beyond those wanted, since many pictures of the web are gone (protocol 4)
_UNDECIDED = "FROMAGe retrieves every picture"


class Fromage(MultimodalReader):
    """FROMAGe: `ImageRetriever`, `TextGenerator` and `TextScorer`.

    Results do not depend on which prompts come together, up to the rounding of batched matrix products.
    Use `from_pretrained` or `load`.
    """

    @classmethod
    def load(cls, weights: Mapping[str, Path], settings: Settings, device: str) -> Fromage:
        """Load from local folders, the small parts first.

        Args:
            weights: Folders by component: `checkpoint`, `llm`, `visual_encoder`.
            settings: Precision, preprocessing, and how prompts are read.
            device: A torch device.

        Raises:
            InputError: The weights are damaged or do not fit together; names file and key.
        """
        check_weights(weights)
        dtype = resolve_dtype(settings.dtype, device, torch.bfloat16)
        checkpoint, llm, encoder = weights["checkpoint"], weights["llm"], weights["visual_encoder"]
        arguments = read_arguments(checkpoint)
        tokens = load_ret_tokens(llm)
        file = find_checkpoint(checkpoint, MODEL)
        state = read_tensors(file)
        heads = empty_heads(
            FromageSizes(
                language_sizes(llm).width, vision_width(encoder), arguments.n_visual_tokens, arguments.shared_emb_dim
            )
        )
        account(file, state, heads, table_rows=tokens.size)
        fill_heads(file, heads, state, dtype)
        freeze(heads).to(device)
        return cls(
            tokens,
            # The table of OPT-6.7b shrinks, from 50272 rows to 50267.
            LanguageModel.load(llm, dtype, device, tokens.size, heads.ret_input_embeddings.weight),
            VisualEncoder.load(
                encoder, dtype, device, settings.squash_size if settings.input_resize == "squash" else 0
            ),
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
        settings: Settings | None = None,
    ) -> Fromage:
        """Load from folders or hub ids.

        Args:
            checkpoint: Folder with `model_args.json` and the trained tensors.
            llm: OPT; None = what `model_args.json` names, a hub id or a folder absolute or relative to the checkpoint.
            visual_encoder: CLIP; likewise.
            dtype: None = as in the settings.
            device: A torch device.
            settings: None = the defaults.

        Raises:
            InputError: The weights are damaged or do not fit together; names file and key.
        """
        folder = Path(checkpoint)
        arguments = read_arguments(folder)
        folders = {
            "checkpoint": folder,
            "llm": find_folder(llm or arguments.opt_version, folder),
            "visual_encoder": find_folder(visual_encoder or arguments.visual_encoder, folder),
        }
        settings = settings or Settings()
        return cls.load(folders, settings.model_copy(update={"dtype": dtype or settings.dtype}), device)

    def generate(
        self,
        prompt: Prompt,
        options: DecodingOptions,
        *,
        max_num_rets: int = 1,
        generator: torch.Generator | None = None,
    ) -> Generation:
        """Continue one prompt; the model may bring up pictures by [RET].

        As the authors' `generate_for_images_and_texts`. The logit of [RET] is scaled by `ret_scale_factor` as it is, so
        that a negative one gets smaller, whereas GILL takes its absolute value (protocol 4). The heads' `embed_states`
        makes queries of the states. `num_words` = 0, which looks for a [RET] typed in the prompt and mistakes its place
        where a picture precedes it, is not offered: see `embed_prompts`.

        Raises:
            InputError: Prompt and answer are longer than the language model reads.
            ValueError: `gen_scale_factor`, which FROMAGe does not have, is given.
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

        As the authors' `generate_for_images_and_texts` (protocol 4), but with exact float32 scores. Nothing is decided:
        every picture is retrieved.

        Args:
            prompt: What is answered.
            options: Of the decoding; `num_words` of at least 2, without which no [RET] is read.
            candidates: What can be retrieved.
            max_img_per_ret: Pictures for each [RET]; as many and three more candidates are tried, best first, and
                those whose picture cannot be had are among them and say why.
            max_num_rets: [RET] tokens in the answer at most.
            generator: For temperatures above 0; None = torch's global one.

        Raises:
            InputError: Prompt and answer are too long, or the candidates are of another width.
            ValueError: As in `generate`.
        """
        generation = self.generate(prompt, options, max_num_rets=max_num_rets, generator=generator)
        with torch.inference_mode():
            queries = normalised(self.heads.embed_states(generation.states))
        retrieved, largest = self._retrieve(candidates, queries, max_img_per_ret + _SPARE, max_img_per_ret)
        images = [AnswerImage(None, _UNDECIDED, *found, ()) for found in zip(retrieved, largest, strict=True)]
        return answer_of(generation.ids, generation.texts, images)

    def _scale(self, logit: Tensor, options: DecodingOptions) -> Tensor:
        return logit * options.ret_scale_factor


def load_ret_tokens(folder: Path) -> LanguageTokens:
    """Load the tokenizer of an OPT folder with FROMAGe's additions; [RET] is 50266 in the real one.

    Raises:
        InputError: Files are missing or damaged, or not of OPT's tokenizer.
    """
    tokenizer = load_tokenizer(folder)
    tokenizer.pad_token = tokenizer.eos_token  # as in the authors' inference; training keeps <pad>
    return LanguageTokens(tokenizer, [RET], str(folder))
