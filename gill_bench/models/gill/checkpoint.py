"""Reading and writing GILL checkpoints: only tensors are unpickled, and every key is accounted for (protocol 1.6).

The authors load with `strict=False`, so that a wrong prefix leaves random weights without a word. Here a key that is
missing, additional or of another shape is an error.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from gill_bench.models.empty_network import without_values
from gill_bench.models.gill.arguments import GillArguments
from gill_bench.models.gill.checking import DECISION_FILE, PREFIX, TABLE, check_checkpoint, without_prefix
from gill_bench.models.gill.decision import read_decision
from gill_bench.models.gill.network import GillHeads
from gill_bench.models.interleaved.checkpoint import NAMES, find_checkpoint, read_tensors
from gill_bench.storage.files import write_atomic
from gill_bench.weights.network_tensors import check_finite, shapes_of


@dataclass(frozen=True, slots=True)
class GillCheckpoint:
    """A checkpoint whose tensors are those of GILL, all and no others.

    Attributes:
        file: The file with the trained tensors.
        state: The file's tensors by key, mapped from it.
        heads: The trained network, without values; `fill` gives it those of `state`.
        decision: Weight and bias of the classifier; None where the checkpoint has none.
    """

    file: Path
    state: Mapping[str, Tensor]
    heads: GillHeads
    decision: tuple[Tensor, Tensor] | None

    def fill(self, dtype: torch.dtype) -> GillHeads:
        """Give the network its values; of a whole embedding table it takes the last rows, those of [IMG]."""
        values = {key.removeprefix(PREFIX): value for key, value in self.state.items()}
        values[TABLE] = values[TABLE][-self.heads.sizes.num_tokens :]
        check_finite(self.file, {PREFIX + key: value for key, value in values.items()})
        # A copy, because the tensors of the file are mapped from it.
        self.heads.load_state_dict({key: value.to(dtype, copy=True) for key, value in values.items()}, assign=True)
        return self.heads


def read_checkpoint(
    weights: Mapping[str, Path], arguments: GillArguments, table_rows: int | None = None
) -> GillCheckpoint:
    """Read a checkpoint that `check_checkpoint`, which takes the same arguments, finds whole and fitting.

    Raises:
        InputError: Names file and key.
    """
    sizes = check_checkpoint(weights, arguments, table_rows)
    checkpoint = weights["checkpoint"]
    file = find_checkpoint(checkpoint, "GILL")
    state = read_tensors(file)
    with without_values():
        heads = GillHeads(sizes, without_prefix(shapes_of(state)))
    decision_file = checkpoint / DECISION_FILE
    decision = read_decision(decision_file, sizes.llm_width) if decision_file.is_file() else None
    return GillCheckpoint(file, state, heads, decision)


def write_tensors(folder: Path, heads: GillHeads) -> None:
    """Write a network as it is released, with the [IMG] rows alone of the table, in torch's format and safetensors."""
    state = {
        PREFIX + key: value.detach().to("cpu", copy=True).contiguous()
        for key, value in sorted(heads.state_dict().items())
    }
    buffer = io.BytesIO()
    torch.save({"state_dict": state}, buffer)
    write_atomic(folder / NAMES[0], buffer.getvalue())
    write_atomic(folder / NAMES[1], save(state, metadata={"format": "pt"}))
