from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from gill_bench.errors import InputError
from gill_bench.models import gill as adapter
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.models.gill.network import GillHeads
from gill_bench.models.gill.sizes import GillSizes, conditioning_width
from tests.models.gill.conftest import State

Edit = Callable[[Callable[[State], Any]], dict[str, Path]]
REAL = GillSizes(llm_width=4096, vision_width=1024, num_tokens=8, n_visual_tokens=4, ret_emb_dim=256, gen_emb_dim=768)


def test_the_real_network_has_the_published_size() -> None:
    with torch.device("meta"):
        heads = GillHeads(REAL)
    assert len(heads.state_dict()) == 137
    assert sum(parameter.numel() for parameter in heads.parameters()) == 50_096_385
    assert sum(p.numel() for p in heads.gen_text_hidden_fcs.parameters()) == 31_958_784


def linear(width: int, arguments: dict[str, Any], edit: Edit) -> dict[str, Path]:
    def change(state: State) -> None:
        for key in [key for key in state if ".gen_text_hidden_fcs." in key]:
            del state[key]
        generator = torch.Generator().manual_seed(0)
        state["model.gen_text_hidden_fcs.0.model.weight"] = torch.randn(width, 96, generator=generator)
        state["model.gen_text_hidden_fcs.0.model.bias"] = torch.randn(width, generator=generator)

    weights = edit(change)
    file = weights["checkpoint"] / "model_args.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "text_fc_mode": "linear", **arguments}))
    return weights


@pytest.mark.parametrize(
    ("width", "arguments", "rows"),
    [
        # 8 states x 462 numbers = 77 vectors of 48, with either meaning of gen_emb_dim.
        (462, {"gen_emb_dim": 462}, 77),
        (462, {"gen_emb_dim": 48}, 77),
        # Each state gives one vector; the other vectors are zeros.
        (48, {"gen_emb_dim": 48, "num_clip_tokens": 8}, 8),
    ],
)
def test_a_linear_generation_head_gives_the_conditioning_by_hand(
    gill: Gill, edit: Edit, folder: Path, width: int, arguments: dict[str, Any], rows: int
) -> None:
    weights = {**linear(width, arguments, edit), "image_decoder": folder / "sd-mini"}
    settings = Settings(squash_size=32, safety_checker=False)
    adapter.check(weights, settings)
    other = adapter.load(weights, settings, "cpu")
    states = torch.randn(2, 8, 96, generator=torch.Generator().manual_seed(1))
    state = torch.load(weights["checkpoint"] / "pretrained_ckpt.pth.tar", weights_only=True)["state_dict"]
    output = states @ state["model.gen_text_hidden_fcs.0.model.weight"].T
    expected = torch.zeros(2, 77, 48)
    expected[:, :rows] = (output + state["model.gen_text_hidden_fcs.0.model.bias"]).reshape(2, rows, 48)
    assert_close(other.condition(states), expected, rtol=1e-4, atol=1e-4)


def test_a_linear_head_that_gives_no_whole_vectors_is_refused(edit: Edit) -> None:
    weights = linear(50, {"gen_emb_dim": 50}, edit)
    with pytest.raises(InputError, match="8 x 50 numbers, which are no 77 vectors"):
        adapter.check(weights, Settings())


@pytest.mark.parametrize(
    ("tokens", "output", "rows", "width"),
    [(8, 7392, 77, 768), (4, 14784, 77, 768), (1, 59136, 77, 768), (1, 768, 77, 768), (8, 768, 1, 768), (8, 3, 77, 0)],
)
def test_the_width_of_a_conditioning_vector_follows_from_the_heads_output(
    tokens: int, output: int, rows: int, width: int
) -> None:
    sizes = GillSizes(4, 4, num_tokens=tokens, n_visual_tokens=1, ret_emb_dim=4, gen_emb_dim=768, num_clip_tokens=rows)
    assert conditioning_width(sizes, output) == width


def test_conditioning_of_fewer_vectors_than_the_decoder_reads_ends_in_zeros(edit: Edit) -> None:
    def shorter(state: State) -> None:
        key = "model.gen_text_hidden_fcs.0.query_embs"
        state[key] = state[key][:, :20]

    weights = edit(shorter)
    file = weights["checkpoint"] / "model_args.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "num_clip_tokens": 20}))
    vectors = adapter.load(weights, Settings(squash_size=32), "cpu").condition(torch.ones(1, 8, 96))
    assert vectors.shape == (1, 77, 48)
    assert vectors[:, :20].all()
    assert not vectors[:, 20:].any()
