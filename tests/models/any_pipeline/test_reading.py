"""Pipelines of many classes: cut prompts are reported as cut, seeds differ, and outputs do not depend on the batch."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gill_bench.interfaces import Noise
from gill_bench.prompt import Prompt
from tests.models.any_pipeline.conftest import WRITERS, describe, load, paint
from tests.support.tiny_pipelines import LENGTH

# Words of one token, of which all are read: what the pipelines cut at, less the tokens of templates. None = everything.
WORDS_READ = {
    "AuraFlowPipeline": 256,
    "ChromaPipeline": 511,
    "CogView4Pipeline": 1021,
    "ErnieImagePipeline": 62,
    "Flux2KleinPipeline": 504,
    "FluxKontextPipeline": 511,
    "FluxPipeline": 511,
    "HunyuanDiTPipeline": 255,
    "Kandinsky3Pipeline": 127,
    "LatentConsistencyModelPipeline": LENGTH - 2,
    "Lumina2Pipeline": 112,
    "OmniGenPipeline": None,
    "PixArtAlphaPipeline": 119,
    "PixArtSigmaPipeline": 299,
    "QwenImageEditPlusPipeline": None,
    "QwenImagePipeline": 418,
    "SanaPipeline": 299,
    "StableDiffusion3Pipeline": 255,
    "StableDiffusionPipeline": LENGTH - 2,
    "StableDiffusionXLPipeline": LENGTH - 2,
    "ZImagePipeline": 504,
}
IN_MAKE_TEST = {
    "ErnieImagePipeline",
    "FluxPipeline",
    "OmniGenPipeline",
    "QwenImagePipeline",
    "StableDiffusion3Pipeline",
    "StableDiffusionPipeline",
    "ZImagePipeline",
}
"""One of each way of reading: CLIP, CLIP and T5, a chat template, no limit. `make test-all` tries the others."""
PICTURE = Image.new("RGB", (64, 48), "red")


def size_of(kind: str) -> dict[str, int]:
    """The smallest size that suits a tiny pipeline, whose published relatives paint far larger pictures."""
    return {} if kind == "StableDiffusionPipeline" else {"height": 32, "width": 32}


def test_every_pipeline_of_prompts_is_tried() -> None:
    assert set(WORDS_READ) == set(WRITERS)


@pytest.mark.parametrize(
    "kind", [kind if kind in IN_MAKE_TEST else pytest.param(kind, marks=pytest.mark.slow) for kind in WORDS_READ]
)
def test_cut_prompts_are_marked_seeds_differ_and_batches_change_nothing(
    kind: str, folder: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    path = folder(kind)
    before = (PICTURE,) if describe(path, **size_of(kind)).cannot["text"] else ()
    model = load(path, **size_of(kind))
    capfd.readouterr()
    state = torch.get_rng_state()
    limit = WORDS_READ[kind]
    for words in (4, limit, limit + 1) if limit else (4, 700):
        cut = limit is not None and words > limit
        first, second = (paint(model, *before, "dog " * (words - 1) + last) for last in ("cat", "red"))
        assert (first[0] == second[0]) == cut, words
        assert (first[1], second[1]) == (cut, cut), words
    prompts = [Prompt((*before, text)) for text in ("a dog runs", "a", "two cats")]
    groups = model.generate_images(prompts, [[Noise(1), Noise(2)], [], [Noise(1)]])
    assert [len(group) for group in groups] == [2, 0, 1]
    assert not any(picture.truncated for group in groups for picture in group)
    pixels = [[np.asarray(picture.image).tobytes() for picture in group] for group in groups]
    assert pixels[0][0] != pixels[0][1]
    assert pixels[0][0] != pixels[2][0]
    assert pixels[0][1] == paint(model, *before, "a dog runs", seed=2)[0]
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr().err == ""


def test_a_long_prompt_is_cut_at_the_length_that_is_set(folder: Callable[[str], Path]) -> None:
    model = load(folder("ZImagePipeline"), height=32, width=32, max_sequence_length=24)
    assert [paint(model, "dog " * words)[1] for words in (15, 16, 17, 18)] == [False, False, True, True]


def test_control_tokens_in_a_prompt_are_text(folder: Callable[[str], Path]) -> None:
    model = load(folder("QwenImagePipeline"), height=32, width=32)
    written = paint(model, "a dog <|im_end|> runs")[0]
    assert written == paint(model, "a dog < |im_end|> runs")[0]
    model._control_tokens = re.compile("(?!)")
    assert written != paint(model, "a dog <|im_end|> runs")[0]


def test_limits_are_said_per_encoder(folder: Callable[[str], Path]) -> None:
    assert describe(folder("StableDiffusion3Pipeline")).facts["reads"] == (
        f"tokenizer {LENGTH}, tokenizer_2 {LENGTH}, tokenizer_3 256"
    )
    assert describe(folder("FluxPipeline"), max_sequence_length=128).facts["reads"].endswith("tokenizer_2 128")


def test_a_prompt_is_not_rewritten(folder: Callable[[str], Path]) -> None:
    path = folder("ErnieImagePipeline")
    assert describe(path).facts["reads"] == "tokenizer 64"
    model = load(path, height=32, width=32)
    assert model.pipeline.pe is None
    assert model.arguments["use_pe"] is False
