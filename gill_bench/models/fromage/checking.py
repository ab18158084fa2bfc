"""Checks of a FROMAGe checkpoint that need no torch: every key is accounted for (protocol 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gill_bench.models.fromage.arguments import FromageArguments
from gill_bench.models.interleaved.checkpoint import find_checkpoint, read_tensor_entries
from gill_bench.models.interleaved.network_sizes import language_sizes, vision_width
from gill_bench.models.layer_shapes import layer_shapes
from gill_bench.weights.network_tensors import check_shapes, shapes_of

MODEL = "FROMAGe"
_RET = "ret_input_embeddings.weight"
_TABLE = "model.input_embeddings.weight"


@dataclass(frozen=True, slots=True)
class FromageSizes:
    """The sizes that determine the shapes of all trained tensors; see also `FromageArguments`.

    Attributes:
        llm_width: Width of the language model's embeddings and states, e.
        vision_width: Width of CLIP's pooled features, d.
    """

    llm_width: int
    vision_width: int
    n_visual_tokens: int
    shared_emb_dim: int | None


def fromage_shapes(sizes: FromageSizes) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of `FromageHeads`, in the order of its state dict."""
    e, p = sizes.llm_width, sizes.shared_emb_dim
    return {
        "logit_scale": (),
        **({} if p is None else layer_shapes("text_hidden_fcs.0.0", p, e)),
        **layer_shapes("visual_embeddings", sizes.n_visual_tokens * e, sizes.vision_width),
        **layer_shapes("visual_fc", e if p is None else p, sizes.vision_width),
        _RET: (1, e),
    }


def check_checkpoint(
    weights: Mapping[str, Path], arguments: FromageArguments, table_rows: int | None = None
) -> FromageSizes:
    """Check that a checkpoint holds exactly the tensors of FROMAGe; no values are read.

    A checkpoint may hold the language model's whole embedding table too, as the output of the authors' later pruning
    script does. The table is not read: its rows are those of OPT, and that of [RET] stands in
    `ret_input_embeddings.weight`.

    Args:
        weights: Local folder by component, checked by `check_reader_files`.
        arguments: Content of the checkpoint's `model_args.json`.
        table_rows: Rows of that table; None before the tokenizer is loaded: then it may have any number.

    Returns:
        The sizes of the trained part.

    Raises:
        InputError: Names the file, and the first keys that are missing, additional, or of another shape.
    """
    file = find_checkpoint(weights["checkpoint"], MODEL)
    shapes = shapes_of(read_tensor_entries(file))
    llm_width = language_sizes(weights["llm"]).width
    sizes = FromageSizes(
        llm_width, vision_width(weights["visual_encoder"]), arguments.n_visual_tokens, arguments.shared_emb_dim
    )
    expected = {key_of(name): shape for name, shape in fromage_shapes(sizes).items()}
    if shapes.get(_RET) == (llm_width,):
        shapes[_RET] = (1, llm_width)
    if _TABLE in shapes:
        rows = shapes[_TABLE][0] if table_rows is None and shapes[_TABLE] else table_rows
        expected[_TABLE] = (rows or 0, llm_width)
    check_shapes(file, expected, shapes, MODEL, MODEL)
    return sizes


def key_of(name: str) -> str:
    """The key in a checkpoint of a tensor of `FromageHeads`."""
    return name if name == _RET else f"model.{name}"
