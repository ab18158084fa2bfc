"""The shapes by which a checkpoint is checked are those of the network that is built from it."""

from __future__ import annotations

import pytest

from gill_bench.models.empty_network import without_values
from gill_bench.models.fromage.checking import FromageSizes, fromage_shapes
from gill_bench.models.fromage.network import FromageHeads
from gill_bench.weights.network_tensors import shapes_of


@pytest.mark.parametrize("numbers", [(20, 10, 1, 5), (20, 10, 4, 6), (20, 10, 2, None)])
def test_shapes_are_those_of_the_network(numbers: tuple[int, int, int, int | None]) -> None:
    sizes = FromageSizes(*numbers)
    with without_values():
        heads = FromageHeads(sizes)
    assert list(fromage_shapes(sizes).items()) == list(shapes_of(heads.state_dict()).items())
