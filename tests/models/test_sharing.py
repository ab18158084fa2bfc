"""Models of one process share their frozen networks, and nothing that has a state or a setting."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from gill_bench.cards.find import Cards
from gill_bench.interfaces import Noise
from gill_bench.mini.scene import Scene, Thing
from gill_bench.models import sharing
from gill_bench.models.sharing import shared
from gill_bench.planning.resolve import resolve_model
from gill_bench.prompt import Prompt

PROMPT = Prompt(("a large red circle is at the top .",))


@pytest.fixture(autouse=True)
def _nothing_is_left_from_other_tests() -> Iterator[None]:
    """Each test begins and ends without living networks, so that it shares only networks that it loaded."""
    sharing._networks.clear()
    yield
    gc.collect()


def load(name: str, **settings: Any) -> Any:
    return resolve_model(Cards().model(name), weights="mini", settings=settings).load("cpu")


def size_of(*networks: Any) -> int:
    """Bytes of all different weights."""
    modules = [network for network in networks if isinstance(network, nn.Module)]
    weights = {p.data_ptr(): p for module in modules for p in (*module.parameters(), *module.buffers())}
    return sum(weight.nbytes for weight in weights.values())


def networks(model: Any) -> list[nn.Module]:
    parts = list(model.pipeline.components.values())
    if hasattr(model, "language"):
        parts += [model.language._model, model.vision._model, model.heads]
    return [part for part in parts if isinstance(part, nn.Module)]


def test_gill_and_stable_diffusion_share_the_image_decoder() -> None:
    gill = load("gill", scheduler="ddim", guidance_scale=3.0)
    other = load("stable-diffusion", num_inference_steps=2)
    for part in ("unet", "vae", "text_encoder"):
        assert getattr(gill.pipeline, part) is getattr(other.pipeline, part), part
    assert gill.pipeline.scheduler is not other.pipeline.scheduler
    assert type(gill.pipeline.scheduler) is not type(other.pipeline.scheduler)
    assert (gill.settings.guidance_scale, other.settings.guidance_scale) == (3.0, 1.5)
    both = size_of(*networks(gill), *networks(other))
    assert both == size_of(*networks(gill))
    assert both < 0.8 * (size_of(*networks(gill)) + size_of(*networks(other)))


def test_sharing_changes_no_picture() -> None:
    alone = load("stable-diffusion", num_inference_steps=3)
    expected = alone.generate_images([PROMPT], [[Noise(5)]])[0][0].image.tobytes()
    del alone
    gc.collect()
    gill = load("gill", scheduler="ddim", num_inference_steps=2)
    gill.generate_images([PROMPT], [[Noise(1)]])
    model = load("stable-diffusion", num_inference_steps=3)
    assert model.generate_images([PROMPT], [[Noise(5)]])[0][0].image.tobytes() == expected


def test_variants_share_all_but_what_they_trained() -> None:
    gill, variant, fromage, plain = load("gill"), load("gill-r2"), load("fromage"), load("opt")
    models = (gill, variant, fromage, plain)
    assert gill.vision._model is variant.vision._model is fromage.vision._model
    assert gill.pipeline.unet is variant.pipeline.unet
    assert all(model.language._model is plain.language._model for model in models)
    table = plain.language._model.get_input_embeddings().weight
    assert {model.language.embed([5]).shape[-1] for model in models} == {table.shape[1]}
    assert {model.language._table.data_ptr() for model in models} == {table.data_ptr()}
    assert all(model.language._head.data_ptr() == table.data_ptr() for model in models)
    widths = [model.language.logits(table[:1]).shape[-1] for model in models]
    # Two more than OPT's rows, six fewer tokens, one token, and OPT itself.
    assert widths == [len(table) + 2, len(table) - 4, len(table) - 5, len(table)]
    held = size_of(*(model.language._model for model in models), *(model.heads for model in models[:3]))
    assert held == size_of(plain.language._model) + sum(size_of(model.heads) for model in models[:3])


def test_clip_and_gill_share_the_vision_tower() -> None:
    alone = load("clip")
    pictures = [Scene("snow", Thing("circle", "red", "large", "top")).render()]
    expected = (alone.embed_images(pictures), alone.embed_prompts([PROMPT]))
    for first, second in (("clip", "gill"), ("gill", "clip")):
        del alone
        gc.collect()
        pair = {name: load(name) for name in (first, second)}
        clip, gill = pair["clip"], pair["gill"]
        towers = [clip._model.vision_model, clip._vision._model, gill.vision._model]
        assert {tower.embeddings.patch_embedding.weight.data_ptr() for tower in towers} == {
            gill.vision._model.embeddings.patch_embedding.weight.data_ptr()
        }
        assert all(tower is towers[0] for tower in towers)
        assert size_of(clip._model, gill.vision._model) == size_of(clip._model)
        assert np.array_equal(clip.embed_images(pictures), expected[0])
        assert np.array_equal(clip.embed_prompts([PROMPT]), expected[1])
        alone = clip
        del pair, clip, gill, towers
    half = load("clip", dtype="bfloat16")
    assert half._model.vision_model is not alone._model.vision_model


def test_a_trained_row_does_not_reach_the_shared_table(mini_weights: Path) -> None:
    plain = load("opt")
    table = plain.language._model.get_input_embeddings().weight
    before, states = table.clone(), torch.randn(3, table.shape[1])
    from gill_bench.models.interleaved.language import LanguageModel

    rows = torch.full((2, before.shape[1]), 7.0)
    for size in (len(before) - 30, len(before), len(before) + 1, len(before) + 5):
        language = LanguageModel.load(mini_weights / "opt-mini", torch.float32, "cpu", size, rows)
        assert language._model is plain.language._model
        between = torch.zeros(max(size - 2 - len(before), 0), before.shape[1])
        expected = torch.cat([before[: size - 2], between, rows])
        assert torch.equal(language.embed(range(size)), expected)
        square = torch.tensor([[size - 1, 3], [2, size - 2]])
        assert torch.equal(language.embed(square), expected[square])
        torch.testing.assert_close(language.logits(states), states @ expected.T)
        with pytest.raises(IndexError):
            language.embed([size])
    with pytest.raises(IndexError):
        plain.language.embed([len(before)])
    assert torch.equal(table, before)


def test_another_precision_is_another_network() -> None:
    single, half = load("stable-diffusion"), load("stable-diffusion", dtype="bfloat16")
    assert single.pipeline.unet is not half.pipeline.unet
    assert (single.pipeline.unet.dtype, half.pipeline.unet.dtype) == (torch.float32, torch.bfloat16)


def test_dropped_models_leave_nothing() -> None:
    gill, other = load("gill"), load("stable-diffusion")
    other.generate_images([PROMPT], [[Noise(1)]])
    assert len(sharing._networks) >= 5
    del gill
    gc.collect()
    assert {kind for kind, *_ in sharing._networks} >= {type(other.pipeline.unet).__module__ + ".UNet2DConditionModel"}
    assert not any("OPT" in key.kind or "CLIPVision" in key.kind for key in sharing._networks)
    del other
    gc.collect()
    assert len(sharing._networks) == 0


def test_changed_files_are_read_again(mini_weights: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(mini_weights / "opt-mini", tmp_path / "opt-mini"))
    calls: list[int] = []

    def read() -> nn.Module:
        calls.append(1)
        return nn.Linear(2, 2)

    first = shared(nn.Linear, folder, torch.float32, "cpu", read)
    assert shared(nn.Linear, folder, torch.float32, "cpu", read) is first
    linked = tmp_path / "link"
    linked.symlink_to(folder)
    assert shared(nn.Linear, linked, torch.float32, "cpu", read) is first
    assert len(calls) == 1
    assert not first.training
    assert not first.weight.requires_grad
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    assert shared(nn.Linear, folder, torch.float32, "cpu", read) is not first
    assert shared(nn.Bilinear, folder, torch.float32, "cpu", lambda: nn.Bilinear(1, 1, 1)) is not first
