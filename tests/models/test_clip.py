"""The CLIP baseline against transformers' CLIPModel, on small random weights in the layout of the real ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from torch.testing import assert_close
from transformers import CLIPModel, CLIPTokenizer

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.interfaces import ImageRetriever
from gill_bench.mini.scene import Scene, Thing
from gill_bench.models import check_settings
from gill_bench.models import clip as adapter
from gill_bench.models.clip import Settings
from gill_bench.models.clip import retriever as module
from gill_bench.models.clip.retriever import ClipRetriever
from gill_bench.prompt import Prompt
from tests.support.random_weights import build_clip

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
RED = Scene("snow", Thing("circle", "red", "large", "top")).render()
BLUE = Scene("night", Thing("square", "blue", "small", "left")).render()
CAPTIONS = ("a large red circle is at the top .", "it moves to the left .", "and it went away .")
LONG = tuple(f"the {colour} ring is at the middle on snow ." for colour in ("red", "blue", "pink", "green") * 6)
PROMPTS = [
    Prompt(CAPTIONS[:1]),
    Prompt(CAPTIONS),
    Prompt((CAPTIONS[0], RED, CAPTIONS[1], BLUE, CAPTIONS[2])),
    Prompt(("",)),
    Prompt(LONG),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip") / "clip-mini"
    build_clip(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()


def retriever(folder: Path, **settings: Any) -> ClipRetriever:
    model = adapter.load({"clip": folder}, Settings(**settings), "cpu")
    assert isinstance(model, ClipRetriever)
    return model


def close(actual: np.ndarray, expected: torch.Tensor) -> None:
    assert actual.dtype == np.float32
    assert_close(torch.from_numpy(actual), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def text_vector(folder: Path, model: Any, text: str) -> torch.Tensor:
    """Encode a text without padding; a long text is cut to its first 75 tokens between begin and end."""
    tokenizer: Any = CLIPTokenizer.from_pretrained(folder)
    begin, *content, end = tokenizer(text).input_ids
    ids = torch.tensor([[begin, *content[:75], end]])
    pixels = torch.zeros(1, 3, 32, 32)
    vector: torch.Tensor = model(input_ids=ids, pixel_values=pixels).text_embeds[0]
    return vector


@torch.no_grad()
def image_vector(model: Any, image: Image.Image) -> torch.Tensor:
    """Shortest edge to 32 pixels, centre crop."""
    scale = 32 / min(image.size)
    image = image.convert("RGB").resize((int(image.width * scale), int(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - 32) // 2, (image.height - 32) // 2
    array = np.asarray(image.crop((left, top, left + 32, top + 32)), dtype=np.float32) / 255
    pixels = torch.from_numpy((array - np.array(MEAN, np.float32)) / np.array(STD, np.float32)).permute(2, 0, 1)[None]
    vector: torch.Tensor = model(input_ids=torch.tensor([[0, 1]]), pixel_values=pixels).image_embeds[0]
    return vector


def test_clip_retrieves_pictures(folder: Path) -> None:
    assert isinstance(retriever(folder), ImageRetriever)
    assert retriever(folder).context == 77


@pytest.mark.parametrize("batch", [1, 2, 64])
def test_prompt_embeddings_are_those_of_the_text_alone(
    folder: Path, model: Any, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_BATCH", batch)
    expected = [text_vector(folder, model, prompt.text) for prompt in PROMPTS]
    queries = retriever(folder).embed_prompts(PROMPTS)
    close(queries, torch.stack(expected))
    # Three captions are those three captions, whatever pictures stand between them.
    assert_close(queries[1], queries[2])
    assert len(np.unique(queries.round(4), axis=0)) == len(PROMPTS) - 1


def test_long_texts_lose_their_end(folder: Path) -> None:
    model = retriever(folder)
    long, longer = model.embed_prompts([Prompt(LONG), Prompt((*LONG, "a large red circle"))])
    assert_close(long, longer)
    assert np.abs(long - model.embed_prompts([Prompt(("a large red circle", *LONG))])[0]).max() > 1e-3


def test_embeddings_of_pictures_of_any_size_are_those_of_clip(folder: Path, model: Any) -> None:
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (h, w, 3), np.uint8)) for h, w in ((32, 32), (64, 90), (200, 40))]
    images.append(RED.convert("L"))
    close(retriever(folder).embed_images(images), torch.stack([image_vector(model, image) for image in images]))
    assert retriever(folder).embed_images([]).shape == (0, 32)
    assert retriever(folder).embed_prompts([]).shape == (0, 32)


def test_with_fusion_mean_an_embedding_is_the_mean_of_text_and_pictures(folder: Path, model: Any) -> None:
    text = text_vector(folder, model, " ".join(CAPTIONS))
    red, blue = image_vector(model, RED), image_vector(model, BLUE)
    mean = (text + red + blue) / 3
    queries = retriever(folder, fusion="mean").embed_prompts([PROMPTS[2], PROMPTS[1], Prompt((RED,)), PROMPTS[0]])
    first = text_vector(folder, model, CAPTIONS[0])
    close(queries, torch.stack([mean / mean.norm(), text, red, first]))


def test_a_prompt_without_text_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="prompt 1: has no text"):
        retriever(folder).embed_prompts([PROMPTS[0], Prompt((RED,))])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_embeddings_in_half_precision_are_close_to_those_in_full(folder: Path, dtype: str) -> None:
    half, full = retriever(folder, dtype=dtype, fusion="mean"), retriever(folder, fusion="mean")
    for embeddings, expected in (
        (half.embed_prompts(PROMPTS), full.embed_prompts(PROMPTS)),
        (half.embed_images([RED, BLUE]), full.embed_images([RED, BLUE])),
    ):
        assert embeddings.dtype == np.float32
        assert_close(np.linalg.norm(embeddings, axis=1), np.ones(len(embeddings), np.float32), rtol=0, atol=1e-5)
        assert 0.99 < (embeddings * expected).sum(axis=1).min() < 1.0


def test_the_card_names_every_setting() -> None:
    card = Cards(()).model("clip")
    assert check_settings(card).model_dump() == dict(card.settings) == Settings().model_dump()
    assert card.weights["clip"].mini == "clip-mini"


def test_an_unknown_way_of_fusion_is_refused() -> None:
    with pytest.raises(ValidationError, match="fusion"):
        Settings(fusion="sum")  # type: ignore[arg-type]


def test_folders_that_hold_no_clip_are_refused(folder: Path, tmp_path: Path) -> None:
    def refused(weights: dict[str, Path], message: str) -> None:
        for ask in (adapter.check, lambda w, s: adapter.load(w, s, "cpu")):
            with pytest.raises(InputError, match=message):
                ask(weights, Settings())

    refused({"model": folder}, "expected 'clip' alone")
    refused({"clip": tmp_path / "nowhere"}, r"nowhere.config\.json: ")
    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    (broken / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-8])
    refused({"clip": broken}, r"model\.safetensors: \d+ bytes, but its header promises")
    for name in ("vocab.json", "preprocessor_config.json"):
        lacking = Path(shutil.copytree(folder, tmp_path / name))
        (lacking / name).unlink()
        refused({"clip": lacking}, f"has no {name}")
    vision = Path(shutil.copytree(folder, tmp_path / "vision"))
    (vision / "config.json").write_text(json.dumps({"model_type": "clip_vision_model"}))
    refused({"clip": vision}, "expected 'clip': a CLIP with both towers")


def test_the_embedded_clip_finds_pictures_by_their_captions() -> None:
    from gill_bench.mini.embedded import weights_folder
    from gill_bench.mini.grammar import describe, single_scenes

    scenes = single_scenes("val")[::40][:24]
    model = retriever(weights_folder() / "clip-mini")
    assert model.context == 24
    queries = model.embed_prompts([Prompt((describe(scene),)) for scene in scenes])
    candidates = model.embed_images([scene.render() for scene in scenes])
    assert ((queries @ candidates.T).argmax(axis=1) == np.arange(len(scenes))).mean() > 0.9
