"""FROMAGe checkpoints: every key is accounted for (protocol 4). How files are read is as for GILL."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from gill_bench.models.fromage.network import FromageHeads, FromageSizes
from gill_bench.models.gill.checkpoint import check_finite, compare

MODEL = "FROMAGe"
_RET = "ret_input_embeddings.weight"
_TABLE = "model.input_embeddings.weight"


def empty_heads(sizes: FromageSizes) -> FromageHeads:
    """Build the network without values."""
    with torch.device("meta"):
        return FromageHeads(sizes)


def account(file: Path, state: Mapping[str, Tensor], heads: FromageHeads, table_rows: int | None = None) -> None:
    """Check that a checkpoint holds exactly the tensors of a network.

    Besides, it may hold the language model's whole embedding table, as what the authors' later script prunes does: its
    rows are those of OPT, and that of [RET] stands in `ret_input_embeddings.weight`, so that it is not read.

    Args:
        file: Named in errors.
        state: Of `gill_bench.models.gill.checkpoint.read_tensors`.
        heads: Of `empty_heads`.
        table_rows: Rows of that table; None while unknown: then any number is taken.

    Raises:
        InputError: Names the first keys that are missing, additional, or of another shape.
    """
    expected = {_key(name): tuple(value.shape) for name, value in heads.state_dict().items()}
    found = {key: tuple(value.shape) for key, value in state.items()}
    width = heads.sizes.llm_width
    if found.get(_RET) == (width,):
        found[_RET] = (1, width)
    if _TABLE in found:
        rows = found[_TABLE][0] if table_rows is None and found[_TABLE] else table_rows
        expected[_TABLE] = (rows or 0, width)
    compare(file, expected, found, MODEL)


def fill_heads(file: Path, heads: FromageHeads, state: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    """Give an accounted-for network its values.

    Raises:
        InputError: A value is not finite; names file and key.
    """
    values = {name: state[_key(name)].reshape(value.shape) for name, value in heads.state_dict().items()}
    check_finite(file, {_key(name): value for name, value in values.items()})
    # A copy, because the tensors of the file are mapped from it.
    heads.load_state_dict({name: value.to(dtype, copy=True) for name, value in values.items()}, assign=True)


def _key(name: str) -> str:
    return name if name == _RET else f"model.{name}"
