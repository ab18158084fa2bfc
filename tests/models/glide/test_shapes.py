"""The shapes by which a checkpoint is checked are those of the network that is built from it."""

from __future__ import annotations

import pytest

from gill_bench.models.glide.checkpoint import empty_network
from gill_bench.models.glide.files import NAMES, Name
from gill_bench.models.glide.shapes import network_shapes
from gill_bench.models.glide.sizes import GlideSizes, NetworkSizes
from gill_bench.weights.network_tensors import shapes_of
from tests.models.glide.tiny import SIZES, TEXT


def unet(multipliers: tuple[int, ...], attention: tuple[int, ...], residual_blocks: int) -> NetworkSizes:
    return NetworkSizes(
        resolution=16,
        channels=8,
        multipliers=multipliers,
        residual_blocks=residual_blocks,
        attention=attention,
        head_width=4,
        norm_groups=4,
    )


CASES = {
    "official": GlideSizes(),
    "tiny": SIZES,
    "one level, attention everywhere": GlideSizes(text=TEXT, base=unet((1,), (1,), 1), upsampler=unet((2,), (), 3)),
    "wide first, narrow last": GlideSizes(
        text=TEXT, base=unet((3, 1, 2), (1, 4), 1), upsampler=unet((2, 2, 1, 4), (2, 8), 2)
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_shapes_are_those_of_the_network(case: str, name: Name) -> None:
    network = empty_network(CASES[case], name)
    assert list(network_shapes(CASES[case], name).items()) == list(shapes_of(network.state_dict()).items())
