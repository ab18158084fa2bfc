"""Reading FROMAGe checkpoints: every key is accounted for (protocol 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gill_bench.models.empty_network import without_values
from gill_bench.models.fromage.arguments import FromageArguments
from gill_bench.models.fromage.network import FromageHeads, FromageSizes
from gill_bench.models.interleaved.checkpoint import find_checkpoint, read_tensors
from gill_bench.models.interleaved.network_sizes import language_sizes, vision_width
from gill_bench.weights.network_tensors import check_finite, check_shapes, shapes_of

MODEL = "FROMAGe"
_RET = "ret_input_embeddings.weight"
_TABLE = "model.input_embeddings.weight"


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
        values = {name: self.state[_key(name)].reshape(value.shape) for name, value in self.heads.state_dict().items()}
        check_finite(self.file, {_key(name): value for name, value in values.items()})
        # A copy, because the tensors of the file are mapped from it.
        self.heads.load_state_dict({name: value.to(dtype, copy=True) for name, value in values.items()}, assign=True)
        return self.heads


def read_checkpoint(
    weights: Mapping[str, Path], arguments: FromageArguments, table_rows: int | None = None
) -> FromageCheckpoint:
    """Read a checkpoint, and check that it holds exactly the tensors of FROMAGe.

    A checkpoint may hold the language model's whole embedding table too, as the output of the authors' later pruning
    script does. The table is not read: its rows are those of OPT, and that of [RET] stands in
    `ret_input_embeddings.weight`.

    Args:
        weights: Local folder by component, checked by `check_reader_files`.
        arguments: Content of the checkpoint's `model_args.json`.
        table_rows: Rows of that table; None before the tokenizer is loaded: then it may have any number.

    Raises:
        InputError: Names the file, and the first keys that are missing, additional, or of another shape.
    """
    file = find_checkpoint(weights["checkpoint"], MODEL)
    state = read_tensors(file)
    llm_width = language_sizes(weights["llm"]).width
    sizes = FromageSizes(
        llm_width, vision_width(weights["visual_encoder"]), arguments.n_visual_tokens, arguments.shared_emb_dim
    )
    with without_values():
        heads = FromageHeads(sizes)
    expected = {_key(name): shape for name, shape in shapes_of(heads.state_dict()).items()}
    shapes = shapes_of(state)
    if shapes.get(_RET) == (llm_width,):
        shapes[_RET] = (1, llm_width)
    if _TABLE in shapes:
        rows = shapes[_TABLE][0] if table_rows is None and shapes[_TABLE] else table_rows
        expected[_TABLE] = (rows or 0, llm_width)
    check_shapes(file, expected, shapes, MODEL, MODEL)
    return FromageCheckpoint(file, state, heads)


def _key(name: str) -> str:
    return name if name == _RET else f"model.{name}"
