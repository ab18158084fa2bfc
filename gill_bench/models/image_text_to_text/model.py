"""A vision-language model behind the shared model interface."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from gill_bench.errors import InputError
from gill_bench.models.image_text_to_text.inputs import PROBE, ChatInputs, PlainInputs, pixel_options, shrunk
from gill_bench.models.image_text_to_text.settings import NO_TEMPLATE, Settings
from gill_bench.models.precision import resolve_dtype
from gill_bench.models.writing.control import continuation_ids
from gill_bench.models.writing.network import BATCH, TextNetwork
from gill_bench.prompt import Prompt
from gill_bench.storage.read_ahead import one_ahead
from gill_bench.weights.loading import read_part


class VisionLanguageModel:
    """A `TextGenerator` and `TextScorer` that reads texts and pictures in order.

    Results do not depend on which prompts share a pass, up to the rounding of batched matrix products.
    """

    def __init__(self, network: TextNetwork, processor: Any, inputs: ChatInputs | PlainInputs, max_pixels: int) -> None:
        self.network = network
        self.processor = processor
        self.inputs = inputs
        self._options = pixel_options(processor, max_pixels) if max_pixels else {}
        self._max_pixels = 0 if self._options else max_pixels
        short, long = (Prompt((PROBE, "a" + " b" * words)) for words in (0, 6))
        self._pads = network.reads_padded(self._encoded([short, long]), self._encoded([short]))

    @classmethod
    def load(cls, folder: Path, settings: Settings, device: str) -> VisionLanguageModel:
        """Load from the folder of a model of `AutoModelForImageTextToText`.

        Raises:
            InputError: Files are missing, damaged or of another kind of model, or a setting does not suit the model.
        """
        from transformers import AutoModelForImageTextToText

        processor = load_processor(folder)
        template = _template_named(processor, settings.template, folder)
        where = str(folder)
        if settings.system and not template:
            raise InputError(f"{where}: system = {settings.system!r:.40} needs a chat template, which this model lacks")
        dtype = resolve_dtype(settings.dtype, device, torch.bfloat16)
        network = TextNetwork.load(AutoModelForImageTextToText, folder, dtype, device, processor.tokenizer)
        # A copy: it encodes the prompts of the next pass in a thread, while the network's own decodes this one's texts.
        processor.tokenizer = deepcopy(processor.tokenizer)
        inputs: ChatInputs | PlainInputs
        if template:
            inputs = ChatInputs(processor, template, settings.system, where)
        else:
            inputs = PlainInputs(processor, _own_template(processor))
        return cls(network, processor, inputs, settings.max_pixels)

    def generate_texts(self, prompts: Sequence[Prompt], max_new_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        """Continue prompts with the likeliest tokens up to the model's end token; cut before the first stop string.

        Raises:
            InputError: A prompt with its continuation is longer than the model reads, or has pictures that it cannot
                read.
        """
        texts: dict[int, str] = {}
        passes = list(self._passes(prompts))
        encoded = one_ahead(lambda numbers: self._encoded([prompts[number] for number in numbers]), passes)
        for numbers, inputs in zip(passes, encoded, strict=True):
            where = f"prompt {numbers[0]}"
            texts |= zip(numbers, self.network.continuations(inputs, max_new_tokens, stop, where), strict=True)
        return [texts[number] for number in range(len(prompts))]

    def score_texts(self, prompts: Sequence[Prompt], continuations: Sequence[str]) -> list[float]:
        """Sums of the log-probabilities (nats) of continuations' tokens after prompts.

        The ids of a continuation follow those of its prompt; in a chat the prompt ends where the model's answer
        begins. A prompt that is given several times as the same object is processed once.
        """
        texts = [self.inputs.control.broken(text) for text in continuations]
        rows = [continuation_ids(self.processor.tokenizer, text) for text in texts]
        return self.network.score(prompts, rows, self._encoded)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text, for tokens per second."""
        return [len(self.processor.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]

    def _passes(self, prompts: Sequence[Prompt]) -> Iterator[list[int]]:
        """Numbers of prompts that share a pass: those with equally many pictures, or one where they cannot share it."""
        groups: dict[tuple[int, int], list[int]] = {}
        for number, prompt in enumerate(prompts):
            apart = not self._pads or self.inputs.alone(prompt)
            groups.setdefault((len(prompt.images), number if apart else -1), []).append(number)
        for numbers in groups.values():
            for start in range(0, len(numbers), BATCH):
                yield numbers[start : start + BATCH]

    def _encoded(self, prompts: Sequence[Prompt]) -> Any:
        pictures = [[shrunk(image, self._max_pixels) for image in prompt.images] for prompt in prompts]
        return self.inputs(prompts, pictures, self._options)


def load_processor(folder: Path) -> Any:
    """Load the processor of a vision-language model.

    Raises:
        InputError: Files are missing or damaged, or the processor takes no pictures or no texts.
    """
    from transformers import AutoProcessor

    processor = read_part(AutoProcessor, folder, "processor")
    for part, reads in (("image_processor", "pictures"), ("tokenizer", "texts")):
        if getattr(processor, part, None) is None:
            raise InputError(
                f"{folder}: {type(processor).__name__} takes no {reads}; expected the files of a processor"
            )
    return processor


def _own_template(processor: Any) -> str:
    """The chat template of the files; "" if they have none, or several without a default."""
    own = processor.chat_template
    return str(own.get("default", "")) if isinstance(own, dict) else str(own or "")


def _template_named(processor: Any, setting: str, folder: Path) -> str:
    """The chat template that a setting stands for; "" for the plain prompt."""
    own = processor.chat_template
    if setting == NO_TEMPLATE:
        return ""
    if isinstance(own, dict) and setting in own:
        return str(own[setting])
    if not setting and isinstance(own, dict) and "default" not in own:
        raise InputError(f"{folder}: its chat template is one of {', '.join(own)}; choose one by `template`")
    if setting and "{" not in setting:
        names = f", one of {', '.join(own)}" if isinstance(own, dict) else ""
        raise InputError(f'template = {setting!r}: expected "none"{names}, or a chat template in Jinja')
    return setting or _own_template(processor)
