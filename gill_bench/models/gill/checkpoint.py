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

from gill_bench.errors import InputError
from gill_bench.models.empty_network import without_values
from gill_bench.models.gill.arguments import GillArguments
from gill_bench.models.gill.decision import FILE as DECISION_FILE
from gill_bench.models.gill.decision import read_decision
from gill_bench.models.gill.network import MAPPER_ATTENTION_HEADS, GillHeads, GillSizes
from gill_bench.models.interleaved.checkpoint import NAMES, find_checkpoint, read_tensors
from gill_bench.models.interleaved.network_sizes import decoder_sizes, language_sizes, vision_width
from gill_bench.storage.files import write_atomic
from gill_bench.weights.network_tensors import check_finite, check_shapes, shapes_of

_TABLE = "input_embeddings.weight"
_PREFIX = "model."


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
        values = {key.removeprefix(_PREFIX): value for key, value in self.state.items()}
        values[_TABLE] = values[_TABLE][-self.heads.sizes.num_tokens :]
        check_finite(self.file, {_PREFIX + key: value for key, value in values.items()})
        # A copy, because the tensors of the file are mapped from it.
        self.heads.load_state_dict({key: value.to(dtype, copy=True) for key, value in values.items()}, assign=True)
        return self.heads


def read_checkpoint(
    weights: Mapping[str, Path], arguments: GillArguments, table_rows: int | None = None
) -> GillCheckpoint:
    """Read a checkpoint, and check every key, the shapes, and that the other components fit.

    Args:
        weights: Local folder by component, checked by `check_files`.
        arguments: Content of the checkpoint's `model_args.json`.
        table_rows: Rows of the language model's table with the [IMG] tokens: the checkpoint may hold the whole table.
            None before the tokenizer is loaded: then a table may have any number of rows above that of [IMG] tokens.

    Raises:
        InputError: Names file and key.
    """
    checkpoint = weights["checkpoint"]
    file = find_checkpoint(checkpoint, "GILL")
    state = read_tensors(file)
    llm_width = language_sizes(weights["llm"]).width
    sizes = GillSizes(
        llm_width=llm_width,
        vision_width=vision_width(weights["visual_encoder"]),
        num_tokens=arguments.num_tokens,
        n_visual_tokens=arguments.n_visual_tokens,
        ret_emb_dim=arguments.ret_emb_dim,
        gen_emb_dim=arguments.gen_emb_dim,
        num_clip_tokens=arguments.num_clip_tokens,
        text_fc_mode=arguments.text_fc_mode,
    )
    heads = _empty_heads(file, state, sizes)
    _check_state(file, state, heads, table_rows)
    if "image_decoder" in weights:
        _check_decoder_fits(file, heads, weights["image_decoder"])
    decision_file = checkpoint / DECISION_FILE
    decision = read_decision(decision_file, llm_width) if decision_file.is_file() else None
    return GillCheckpoint(file, state, heads, decision)


def write_tensors(folder: Path, heads: GillHeads) -> None:
    """Write a network as it is released, with the [IMG] rows alone of the table, in torch's format and safetensors."""
    state = {
        _PREFIX + key: value.detach().to("cpu", copy=True).contiguous()
        for key, value in sorted(heads.state_dict().items())
    }
    buffer = io.BytesIO()
    torch.save({"state_dict": state}, buffer)
    write_atomic(folder / NAMES[0], buffer.getvalue())
    write_atomic(folder / NAMES[1], save(state, metadata={"format": "pt"}))


def _empty_heads(file: Path, state: Mapping[str, Tensor], sizes: GillSizes) -> GillHeads:
    """Build the network without values, with the inner sizes that a checkpoint's tensors have."""
    shapes = {key.removeprefix(_PREFIX): shape for key, shape in shapes_of(state).items()}
    hidden = (shapes.get("gen_text_hidden_fcs.0.fc.weight") or (0,))[0]
    if hidden % MAPPER_ATTENTION_HEADS:
        raise InputError(
            f"{file}: model.gen_text_hidden_fcs.0.fc.weight has {hidden} rows, expected a multiple of"
            f" {MAPPER_ATTENTION_HEADS}, the mapper's attention heads"
        )
    with without_values():
        heads = GillHeads(sizes, shapes)
    if sizes.text_fc_mode != "gill_mapper" and not heads.conditioning_width:
        width = heads.get_parameter("gen_text_hidden_fcs.0.model.weight").shape[0]
        raise InputError(
            f"{file}: the generation head gives {sizes.num_tokens} x {width} numbers, which are no"
            f" {sizes.num_clip_tokens} vectors of one width (model_args.json: num_tokens, num_clip_tokens, gen_emb_dim)"
        )
    return heads


def _check_state(file: Path, state: Mapping[str, Tensor], heads: GillHeads, table_rows: int | None) -> None:
    expected = {_PREFIX + key: shape for key, shape in shapes_of(heads.state_dict()).items()}
    shapes = shapes_of(state)
    table, count = shapes.get(_PREFIX + _TABLE, ()), heads.sizes.num_tokens
    if len(table) == 2 and (table[0] == table_rows or (table_rows is None and table[0] > count)):
        shapes[_PREFIX + _TABLE] = (count, *table[1:])
    check_shapes(file, expected, shapes, "GILL", f"GILL (text_fc_mode {heads.sizes.text_fc_mode!r})")


def _check_decoder_fits(file: Path, heads: GillHeads, decoder: Path) -> None:
    """Check that the generation head gives vectors of the width, and at most the number, that the decoder reads."""
    sizes = decoder_sizes(decoder)
    width, rows = heads.conditioning_width, heads.sizes.num_clip_tokens
    if width != sizes.width:
        raise InputError(
            f"{file}: the generation head gives vectors of width {width} (gen_emb_dim), but {decoder} reads"
            f" {sizes.width}"
        )
    if rows > sizes.context:
        raise InputError(
            f"{file}: the generation head gives num_clip_tokens = {rows} vectors, but {decoder} reads {sizes.context}"
        )
