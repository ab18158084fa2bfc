"""Checks of GILL's components that need no torch: files, arguments, tensors, and whether the models fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.errors import InputError
from gill_bench.models.diffusers.folder import check_pipeline_folder
from gill_bench.models.gill.arguments import GillArguments
from gill_bench.models.gill.sizes import (
    MAPPER_ATTENTION_HEADS,
    GillSizes,
    HeadSizes,
    gill_shapes,
    head_sizes,
    vector_width,
)
from gill_bench.models.interleaved.checking import check_reader_files
from gill_bench.models.interleaved.checkpoint import find_checkpoint, read_tensor_entries
from gill_bench.models.interleaved.network_sizes import decoder_sizes, language_sizes, vision_width
from gill_bench.models.layer_shapes import Shapes, under
from gill_bench.weights.network_tensors import check_shapes, shapes_of

DECISION_FILE = "decision_model.pth.tar"
PREFIX = "model."
"""Beginning of every key in a checkpoint."""
TABLE = "input_embeddings.weight"
"""Key of the [IMG] rows, without `PREFIX`; a checkpoint may have the language model's whole table under it."""


def check_files(weights: Mapping[str, Path], *, safety_checker: bool) -> GillArguments:
    """Check the files of all components, and return the content of `model_args.json`."""
    arguments = check_reader_files(weights, GillArguments, "GILL has image_decoder too")
    if "image_decoder" in weights:
        check_pipeline_folder(weights["image_decoder"], safety_checker=safety_checker)
        decoder_sizes(weights["image_decoder"])
    return arguments


def check_checkpoint(weights: Mapping[str, Path], arguments: GillArguments, table_rows: int | None = None) -> GillSizes:
    """Check every key of a checkpoint, the shapes, and that the other components fit; no values are read.

    Args:
        weights: Local folder by component, checked by `check_files`.
        arguments: Content of the checkpoint's `model_args.json`.
        table_rows: Rows of the language model's table with the [IMG] tokens: the checkpoint may hold the whole table.
            None before the tokenizer is loaded: then a table may have any number of rows above that of [IMG] tokens.

    Returns:
        The sizes of the trained part.

    Raises:
        InputError: Names file and key.
    """
    checkpoint = weights["checkpoint"]
    file = find_checkpoint(checkpoint, "GILL")
    shapes = shapes_of(read_tensor_entries(file))
    sizes = GillSizes(
        llm_width=language_sizes(weights["llm"]).width,
        vision_width=vision_width(weights["visual_encoder"]),
        num_tokens=arguments.num_tokens,
        n_visual_tokens=arguments.n_visual_tokens,
        ret_emb_dim=arguments.ret_emb_dim,
        gen_emb_dim=arguments.gen_emb_dim,
        num_clip_tokens=arguments.num_clip_tokens,
        text_fc_mode=arguments.text_fc_mode,
    )
    head = _check_head(file, shapes, sizes)
    _check_tensors(file, shapes, sizes, head, table_rows)
    if "image_decoder" in weights:
        _check_decoder_fits(file, sizes, head, weights["image_decoder"])
    if (checkpoint / DECISION_FILE).is_file():
        check_decision(checkpoint / DECISION_FILE, sizes.llm_width)
    return sizes


def check_decision(file: Path, width: int) -> None:
    """Check a checkpoint's `decision_model.pth.tar`, the classifier over states of a width; no values are read.

    Raises:
        InputError: The file is unreadable, or does not hold exactly two tensors, of shape (2, e) or (2, e + 1) and
            of shape (2,).
    """
    shapes = dict(sorted(shapes_of(read_tensor_entries(file)).items()))
    if shapes not in ({"1.bias": (2,), "1.weight": (2, width)}, {"1.bias": (2,), "1.weight": (2, width + 1)}):
        listed = ", ".join(f"{key} {shape}" for key, shape in list(shapes.items())[:4])
        raise InputError(f"{file}: expected 1.weight (2, {width}) and 1.bias (2,), found {listed or 'nothing'}")


def without_prefix(shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """A checkpoint's shapes by the keys of the network."""
    return {key.removeprefix(PREFIX): shape for key, shape in shapes.items()}


def _check_head(file: Path, shapes: Shapes, sizes: GillSizes) -> HeadSizes:
    """The sizes of the generation head, by a checkpoint's tensors."""
    inner = without_prefix(shapes)
    hidden = (inner.get("gen_text_hidden_fcs.0.fc.weight") or (0,))[0]
    if hidden % MAPPER_ATTENTION_HEADS:
        raise InputError(
            f"{file}: model.gen_text_hidden_fcs.0.fc.weight has {hidden} rows, expected a multiple of"
            f" {MAPPER_ATTENTION_HEADS}, the mapper's attention heads"
        )
    head = head_sizes(sizes, inner)
    if sizes.text_fc_mode != "gill_mapper" and not vector_width(sizes, head):
        raise InputError(
            f"{file}: the generation head gives {sizes.num_tokens} x {head.output_width} numbers, which are no"
            f" {sizes.num_clip_tokens} vectors of one width (model_args.json: num_tokens, num_clip_tokens, gen_emb_dim)"
        )
    return head


def _check_tensors(file: Path, shapes: Shapes, sizes: GillSizes, head: HeadSizes, table_rows: int | None) -> None:
    expected = under(PREFIX.rstrip("."), gill_shapes(sizes, head))
    table, count, given = shapes.get(PREFIX + TABLE, ()), sizes.num_tokens, dict(shapes)
    if len(table) == 2 and (table[0] == table_rows or (table_rows is None and table[0] > count)):
        given[PREFIX + TABLE] = (count, *table[1:])
    check_shapes(file, expected, given, "GILL", f"GILL (text_fc_mode {sizes.text_fc_mode!r})")


def _check_decoder_fits(file: Path, trained: GillSizes, head: HeadSizes, decoder: Path) -> None:
    """Check that the generation head gives vectors of the width, and at most the number, that the decoder reads."""
    sizes = decoder_sizes(decoder)
    width, rows = vector_width(trained, head), trained.num_clip_tokens
    if width != sizes.width:
        raise InputError(
            f"{file}: the generation head gives vectors of width {width} (gen_emb_dim), but {decoder} reads"
            f" {sizes.width}"
        )
    if rows > sizes.context:
        raise InputError(
            f"{file}: the generation head gives num_clip_tokens = {rows} vectors, but {decoder} reads {sizes.context}"
        )
