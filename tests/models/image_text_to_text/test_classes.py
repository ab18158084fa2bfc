"""Tiny checkpoints of fourteen real classes: texts and log-likelihoods are those of transformers by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from gill_bench.interfaces import TextGenerator, TextScorer
from gill_bench.models import image_text_to_text as adapter
from gill_bench.models.image_text_to_text import Settings
from gill_bench.models.image_text_to_text.model import VisionLanguageModel
from gill_bench.prompt import Prompt
from tests.support.tiny_vision_language import BUILDERS, hf

CHATS = ("llava", "llava-onevision", "qwen2.5-vl", "qwen3-vl", "idefics3", "gemma3", "internvl", "janus")
Models = Callable[[str], VisionLanguageModel]


def picture(seed: int, width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


PROMPTS = [
    Prompt((picture(0, 64, 48), "what is it?")),
    Prompt((picture(1, 40, 56), "which colour is the thing at the left?")),
    Prompt((picture(2, 32, 32), "a")),
]
MANY = Prompt(("one", picture(3, 40, 30), "two", "three", picture(4, 30, 40), "four"))


@pytest.fixture(scope="module")
def models(vision_language: Callable[[str], Path]) -> Models:
    loaded: dict[str, VisionLanguageModel] = {}

    def of(name: str) -> VisionLanguageModel:
        if name not in loaded:
            loaded[name] = adapter.load({"network": vision_language(name)}, Settings(), "cpu")
        return loaded[name]

    return of


class Plain:
    """transformers alone, one prompt at a time, from the same folder."""

    def __init__(self, folder: Path) -> None:
        self.processor: Any = hf.AutoProcessor.from_pretrained(folder)
        self.network: Any = hf.AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32).eval()

    def inputs(self, prompt: Prompt) -> Any:
        content = [
            {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": part}
            for part in prompt.segments
        ]
        return self.processor.apply_chat_template(
            [{"role": "user", "content": content}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            enable_thinking=False,
        )

    @torch.no_grad()
    def text(self, prompt: Prompt, tokens: int) -> str:
        inputs = self.inputs(prompt)
        ids = self.network.generate(**inputs, max_new_tokens=tokens, do_sample=False)
        return str(self.processor.decode(ids[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))

    @torch.no_grad()
    def score(self, prompt: Prompt, continuation: str) -> float:
        """Compute the score by hand: one pass over the ids of the prompt followed by the ids of the continuation."""
        inputs = dict(self.inputs(prompt))
        ids = self.processor.tokenizer(continuation, add_special_tokens=False)["input_ids"]
        length = inputs["input_ids"].shape[1]
        inputs["input_ids"] = torch.cat([inputs["input_ids"], torch.tensor([ids])], dim=1)
        for name, value in ({"attention_mask": 1, "token_type_ids": 0, "mm_token_type_ids": 0}).items():
            if name in inputs:
                added = torch.full((1, len(ids)), value, dtype=inputs[name].dtype)
                inputs[name] = torch.cat([inputs[name], added], dim=1)
        logs = self.network(**inputs).logits[0].log_softmax(-1)
        return float(sum(logs[length - 1 + offset, token] for offset, token in enumerate(ids)))


def merged(prompt: Prompt) -> Prompt:
    """Return the prompt with neighbouring texts joined."""
    return Prompt(("one", prompt.segments[1], "two three", *prompt.segments[4:]))


@pytest.mark.parametrize("name", CHATS)
def test_texts_and_scores_of_chat_models_are_those_of_transformers(
    name: str, models: Models, vision_language: Callable[[str], Path]
) -> None:
    model, plain = models(name), Plain(vision_language(name))
    prompts = [*PROMPTS, MANY, Prompt(("no picture at all",))]
    expected = [plain.text(merged(prompt) if prompt is MANY else prompt, 5) for prompt in prompts]
    assert model.generate_texts(prompts, 5) == expected
    assert len(set(expected)) > 1
    continuations = ["yes", "no, it is not", ""]
    scores = model.score_texts([PROMPTS[0]] * 3 + [MANY], [*continuations, " a"])
    by_hand = [*(plain.score(PROMPTS[0], text) for text in continuations[:2]), 0.0, plain.score(merged(MANY), " a")]
    assert_close(scores, by_hand, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BUILDERS)
def test_outputs_of_a_prompt_are_the_same_alone_and_in_a_batch(name: str, models: Models) -> None:
    model = models(name)
    assert isinstance(model, TextGenerator)
    assert isinstance(model, TextScorer)
    together = model.generate_texts(PROMPTS, 5)
    assert together == [model.generate_texts([prompt], 5)[0] for prompt in PROMPTS]
    assert len(set(together)) > 1
    assert model._pads is (name not in ("kosmos-2", "florence-2"))  # which are not told where a padded prompt begins
    pairs: list[tuple[Sequence[Prompt], Sequence[str]]] = [([PROMPTS[0]], ["yes"]), ([PROMPTS[0]], ["no, never"])]
    scores = model.score_texts([PROMPTS[0]] * 2, ["yes", "no, never"])
    assert_close(scores, [model.score_texts(*pair)[0] for pair in pairs], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_the_score_of_a_text_is_that_of_decoding_it(name: str, models: Models) -> None:
    """The library's own decoding gives tokens and the logits that each came from; the score of the tokens follows."""
    model = models(name)
    inputs = model._encoded(PROMPTS[:1])
    prepared = model.network._prepared(inputs, 3, "")
    plain = model.network._model.generate(
        **prepared, max_new_tokens=3, do_sample=False, return_dict_in_generate=True, output_logits=True
    )
    ids = plain.sequences[0, -len(plain.logits) :].tolist()
    logs = [logits[0].log_softmax(-1)[token] for logits, token in zip(plain.logits, ids, strict=True)]
    assert_close(model.network.log_likelihoods(inputs, [ids], "")[0], float(sum(logs)), rtol=1e-4, atol=1e-4)
