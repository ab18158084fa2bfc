"""The shapes by which a checkpoint is checked are those of the network that is built from it."""

from __future__ import annotations

import pytest

from gill_bench.models.empty_network import without_values
from gill_bench.models.gill.network import GENERATION_HEADS, GillHeads
from gill_bench.models.gill.sizes import GillSizes, flat_width, gill_shapes, head_sizes, vector_width
from gill_bench.models.layer_shapes import Shapes
from gill_bench.weights.network_tensors import shapes_of

HEAD = "gen_text_hidden_fcs.0."
SMALL: Shapes = {
    f"{HEAD}fc.weight": (12, 20),
    f"{HEAD}layers.0.weight": (28, 20),
    **{f"{HEAD}tfm.{stack}layers.{number}.linear1.weight": (36, 12) for stack in ("encoder.", "") for number in (0, 1)},
    **{f"{HEAD}tfm.decoder.layers.{number}.linear1.weight": (36, 12) for number in range(3)},
}
"""Inner sizes of every kind of head: no two of them are equal, nor one of the constants."""


@pytest.mark.parametrize("mode", GENERATION_HEADS)
@pytest.mark.parametrize(
    "numbers",
    [
        (20, 10, 8, 3, 5, 6, 77),
        (20, 10, 2, 1, 7, 6, 4),  # two positions share four vectors
        (20, 10, 1, 2, 4, 9, 77),  # one position
        (20, 10, 8, 2, 4, 6, 3),  # fewer vectors than positions
    ],
)
@pytest.mark.parametrize("inner", ["constants", "small", "flat"])
def test_shapes_are_those_of_the_network(
    mode: str, numbers: tuple[int, int, int, int, int, int, int], inner: str
) -> None:
    sizes = GillSizes(*numbers, mode)
    shapes = dict(SMALL) if inner != "constants" else {}
    if inner == "flat":
        shapes[f"{HEAD}model.weight"] = (flat_width(sizes), 20)
    with without_values():
        heads = GillHeads(sizes, shapes)
    head = head_sizes(sizes, shapes)
    assert list(gill_shapes(sizes, head).items()) == list(shapes_of(heads.state_dict()).items())
    assert vector_width(sizes, head) == heads.conditioning_width


def test_inner_sizes_are_those_of_the_tensors_or_the_authors_constants() -> None:
    sizes = GillSizes(20, 10, 8, 3, 5, 6, 77)
    assert head_sizes(sizes, {}) == (6, 512, 2048, 4, 4)
    assert head_sizes(sizes, SMALL) == (6, 12, 36, 2, 3)
