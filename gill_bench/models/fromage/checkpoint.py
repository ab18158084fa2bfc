"""Reading FROMAGe checkpoints: every key is accounted for (protocol 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gill_bench.models.empty_network import without_values
from gill_bench.models.fromage.arguments import FromageArguments
from gill_bench.models.fromage.checking import MODEL, check_checkpoint, key_of
from gill_bench.models.fromage.network import FromageHeads
from gill_bench.models.interleaved.checkpoint import find_checkpoint, read_tensors
from gill_bench.weights.network_tensors import check_finite


@dataclass(frozen=True, slots=True)
class FromageCheckpoint:
    """A checkpoint whose tensors are those of FROMAGe.

    Attributes:
        file: The file with the trained tensors.
        state: The file's tensors by key, mapped from it.
        heads: The trained network, without values; `fill` gives it those of `state`.
    """

    file: Path
    state: Mapping[str, Tensor]
    heads: FromageHeads

    def fill(self, dtype: torch.dtype) -> FromageHeads:
        """Give the network its values."""
        values = {
            name: self.state[key_of(name)].reshape(value.shape) for name, value in self.heads.state_dict().items()
        }
        check_finite(self.file, {key_of(name): value for name, value in values.items()})
        # A copy, because the tensors of the file are mapped from it.
        self.heads.load_state_dict({name: value.to(dtype, copy=True) for name, value in values.items()}, assign=True)
        return self.heads


def read_checkpoint(
    weights: Mapping[str, Path], arguments: FromageArguments, table_rows: int | None = None
) -> FromageCheckpoint:
    """Read a checkpoint that `check_checkpoint`, which takes the same arguments, finds whole and fitting.

    Raises:
        InputError: Names the file, and the first keys that are missing, additional, or of another shape.
    """
    sizes = check_checkpoint(weights, arguments, table_rows)
    file = find_checkpoint(weights["checkpoint"], MODEL)
    state = read_tensors(file)
    with without_values():
        heads = FromageHeads(sizes)
    return FromageCheckpoint(file, state, heads)
