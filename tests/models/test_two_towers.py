"""SigLIP, SigLIP 2 and AltCLIP behind the adapter `clip`, against the library's own features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize
from torch.testing import assert_close

from gill_bench.cards.find import Cards
from gill_bench.checks.doctor import examine
from gill_bench.errors import InputError
from gill_bench.models import clip as adapter
from gill_bench.models.clip import Settings
from gill_bench.models.clip.any_towers import TwoTowerRetriever
from gill_bench.prompt import Prompt
from tests.support.backbones import pictures
from tests.support.tiny_encoders import TWO_TOWERS, write_encoder
from tests.support.tiny_vision_language import hf

TEXTS = ("a red circle", "it moves to the left .", "and " * 40)


@pytest.fixture(scope="module", params=TWO_TOWERS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_encoder(request.param, tmp_path_factory.mktemp("towers") / request.param)


def retriever(folder: Path, **settings: Any) -> TwoTowerRetriever:
    model = adapter.load({"clip": folder}, Settings(**settings), "cpu")
    assert isinstance(model, TwoTowerRetriever)
    return model


@torch.no_grad()
def test_embeddings_of_texts_and_pictures_are_the_librarys_own(folder: Path) -> None:
    model, network = retriever(folder), hf.AutoModel.from_pretrained(folder).eval()
    tokenizer = hf.AutoProcessor.from_pretrained(folder).tokenizer
    length = {"siglip": 64, "siglip2": 64, "altclip": 42 - 1}[folder.name]
    assert model.context == length
    padding = {"padding": "max_length"} if folder.name != "altclip" else {}
    for text in TEXTS:  # each alone: texts of other lengths in a pass change nothing
        words = tokenizer([text], truncation=True, max_length=length, return_tensors="pt", **padding)
        expected = normalize(network.get_text_features(**words).pooler_output, dim=-1)
        together = model.embed_prompts([Prompt((each,)) for each in TEXTS])[[TEXTS.index(text)]]
        assert_close(torch.from_numpy(together), expected, rtol=1e-5, atol=1e-5)
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    images = pictures(5)
    shown = [network.get_image_features(**processor(images=image, return_tensors="pt")) for image in images]
    expected = normalize(torch.cat([each.pooler_output for each in shown]), dim=-1)
    assert_close(torch.from_numpy(model.embed_images(images)), expected, rtol=1e-5, atol=1e-5)
    assert model.embed_images([]).shape == (0, expected.shape[1])


def test_the_end_of_a_long_text_is_cut_and_no_more(folder: Path) -> None:
    model = retriever(folder)
    whole = "a" * (model.context - 5)
    short, longer, cut, too = model.embed_prompts(
        [Prompt((text,)) for text in (whole, whole + "b", "a" * 99, "a" * 120)]
    )
    assert np.abs(short - longer).max() > 1e-4
    assert_close(cut, too)


def test_the_mean_of_text_and_picture_is_that_by_hand_and_the_doctor_passes(folder: Path) -> None:
    model = retriever(folder, fusion="mean")
    [image] = pictures(1)
    both = model.embed_prompts([Prompt((TEXTS[0], image))])[0]
    parts = [model.embed_prompts([Prompt(TEXTS[:1])])[0], model.embed_images([image])[0]]
    mean = np.mean(parts, axis=0)
    assert_close(both, mean / np.linalg.norm(mean), rtol=1e-5, atol=1e-5)
    assert [finding for finding in examine(model, Cards().model("clip")) if not finding.passed] == []


def test_an_encoder_of_pictures_alone_reads_the_pictures_of_prompts(tmp_path: Path) -> None:
    folder = write_encoder("dinov2", tmp_path / "dinov2")
    with pytest.raises(InputError, match=r"'dinov2', expected 'clip': .* needs fusion = 'pictures', .* of a metric"):
        adapter.check({"clip": folder}, Settings())
    model = adapter.load({"clip": folder}, Settings(fusion="pictures"), "cpu")
    images = pictures(2)
    first, second = model.embed_images(images)
    alone, both = model.embed_prompts([Prompt((images[0],)), Prompt(("a", images[0], "b", images[1]))])
    assert_close(alone, first, rtol=1e-5, atol=1e-5)
    assert_close(both, (first + second) / np.linalg.norm(first + second), rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="prompt 0: has no picture"):
        model.embed_prompts([Prompt(("a",))])
    assert [finding for finding in examine(model, Cards().model("dinov2")) if not finding.passed] == []
