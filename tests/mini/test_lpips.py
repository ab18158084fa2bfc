"""LPIPS-mini ranks made pairs of unseen scenes as people would, and the stage that trains it makes such pairs."""

from __future__ import annotations

import random

import pytest
import torch
from safetensors.torch import load_file

from gill_bench.metrics import lpips
from gill_bench.mini.embedded import weights_folder
from gill_bench.mini.grammar import single_scenes
from gill_bench.mini.train.factors import factors_of
from gill_bench.mini.train.lpips import PAIRS, made_pairs

COUNT = 96


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_moved_thing_is_nearer_than_another_thing_and_that_than_another_scene(split: str) -> None:
    scenes = random.Random(f"lpips {split}").sample(single_scenes(split), 400)
    factors = torch.tensor([factors_of(scene) for scene in scenes])
    torch.manual_seed(0)
    # Of 400 scenes, the first may lack one that differs from it in the position alone.
    alike = (factors[:, None, :4] == factors[None, :, :4]).all(-1).sum(1) > 1
    first = torch.arange(len(scenes))[alike][:COUNT]
    metric = lpips.load(weights_folder() / "lpips-mini", {}, "cpu")
    features = metric.features([scenes[number].render() for number in first])
    distances = torch.stack(
        [
            metric.compare(
                metric.features([scenes[number].render() for number in made_pairs(factors, first, kind)]), features
            )
            for kind in PAIRS
        ]
    )
    position, other, scene = distances
    means = distances.mean(dim=1)
    assert 0.05 < means[0] < means[1] - 0.15
    assert means[1] < means[2] - 0.15
    assert means[2] < 1.2
    assert float(((position < other) & (other < scene)).float().mean()) > 0.8


def test_linear_weights_are_not_negative() -> None:
    state = load_file(weights_folder() / "lpips-mini" / "model.safetensors")
    linear = [tensor for name, tensor in state.items() if name.startswith("lin")]
    assert len(linear) == 5
    assert all((tensor >= 0).all() for tensor in linear)


@pytest.mark.parametrize(
    ("kind", "same", "other"),
    [("position", (0, 1, 2, 3), (4,)), ("object", (0,), (1, 2)), ("scene", (), (0, 1, 2))],
)
def test_pairs_differ_in_what_their_kind_says(kind: str, same: tuple[int, ...], other: tuple[int, ...]) -> None:
    factors = torch.tensor([factors_of(scene) for scene in single_scenes("val")])
    first = torch.arange(0, len(factors), 7)
    second = made_pairs(factors, first, kind)
    equal = factors[first] == factors[second]
    assert bool(equal[:, list(same)].all())
    assert not bool(equal[:, list(other)].any())
