"""Models of one process share their frozen networks, and nothing that has a state or a setting."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from gill_bench.cards import Cards
from gill_bench.interfaces import Noise
from gill_bench.models import sharing
from gill_bench.models.sharing import shared, with_own
from gill_bench.prompt import Prompt
from gill_bench.runs.resolve import resolve_model

PROMPT = Prompt(("a large red circle is at the top .",))


@pytest.fixture(autouse=True)
def _nothing_is_left_from_other_tests() -> Iterator[None]:
    """Each test begins and ends with no living network, so that none is shared that it did not load."""
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
    found = list(model.pipeline.components.values())
    if hasattr(model, "language"):
        found += [model.language._model, model.vision._model, model.heads]
    return [part for part in found if isinstance(part, nn.Module)]


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
    gill, variant, plain = load("gill"), load("gill-r2"), load("opt")
    assert gill.vision._model is variant.vision._model
    assert gill.pipeline.unet is variant.pipeline.unet
    tables = [model.language._model.get_input_embeddings().weight for model in (gill, variant, plain)]
    assert len({table.data_ptr() for table in tables}) == 3
    sizes = [len(table) for table in tables]
    assert sizes[0] == sizes[1] + 6
    rows = sizes[1] - 2
    assert torch.equal(tables[0][:rows], tables[1][:rows])  # OPT's rows are the same, those of [IMG] are not
    layers = [model.language._model.model.decoder.layers for model in (gill, variant, plain)]
    for own, another, third in zip(*(group.parameters() for group in layers), strict=True):
        assert own is another is third


def test_a_trained_row_does_not_reach_the_shared_table(mini_weights: Path) -> None:
    plain = load("opt")
    before = plain.language._model.get_input_embeddings().weight.clone()
    from gill_bench.models.gill.language import LanguageModel

    rows = torch.full((2, before.shape[1]), 7.0)
    same_size = LanguageModel.load(mini_weights / "opt-mini", torch.float32, "cpu", len(before), rows)
    assert torch.equal(same_size.embed([len(before) - 1]), rows[:1])
    assert torch.equal(plain.language._model.get_input_embeddings().weight, before)
    assert same_size._model.lm_head.weight is same_size._model.get_input_embeddings().weight


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


def test_own_weights_keep_their_ties() -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2))
    network[1].weight = network[0].weight
    copied = with_own(network, network[0].weight)  # type: ignore[arg-type]
    assert copied[0].weight is copied[1].weight is not network[0].weight
    assert copied[2].weight is network[2].weight
    assert len(list(copied.parameters())) == len(list(network.parameters()))
