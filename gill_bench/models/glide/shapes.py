"""The tensors of GLIDE's networks by key, as in the official state dicts (protocol 5.2); torch is not imported."""

from __future__ import annotations

from pathlib import Path

from gill_bench.models.glide.files import Name, find_checkpoint
from gill_bench.models.glide.sizes import GlideSizes, NetworkSizes, TextSizes
from gill_bench.models.layer_shapes import layer_shapes, under
from gill_bench.weights.network_tensors import check_shapes, shapes_of
from gill_bench.weights.tensor_files import read_entries

COLOURS = 3
_Shapes = dict[str, tuple[int, ...]]


def check_network(folder: Path, name: Name, sizes: GlideSizes) -> Path:
    """Check that a network's file holds exactly the network's tensors; no values are read.

    Returns:
        The file.

    Raises:
        InputError: Names the file, and the first keys that are missing, additional, or of another shape.
    """
    file = find_checkpoint(folder, name)
    shapes = shapes_of(read_entries(file))
    kind = "upsampler" if name == "upsample" else "base network"
    check_shapes(file, network_shapes(sizes, name), shapes, "GLIDE", f"GLIDE's {kind}")
    return file


def network_shapes(sizes: GlideSizes, name: Name) -> _Shapes:
    """The shape of each tensor of a network, in the order of its state dict."""
    upsampler = name == "upsample"
    unet, text = sizes.upsampler if upsampler else sizes.base, sizes.text
    width = 4 * unet.channels
    return {
        **_text_transformer(text, width),
        **layer_shapes("time_embed.0", width, unet.channels),
        **layer_shapes("time_embed.2", width, width),
        **_unet(unet, text.width, COLOURS * (2 if upsampler else 1)),
    }


def _text_transformer(text: TextSizes, embedding: int) -> _Shapes:
    width = text.width
    block = {
        **layer_shapes("ln_1", width),
        **layer_shapes("attn.c_qkv", 3 * width, width),
        **layer_shapes("attn.c_proj", width, width),
        **layer_shapes("ln_2", width),
        **layer_shapes("mlp.c_fc", 4 * width, width),
        **layer_shapes("mlp.c_proj", width, 4 * width),
    }
    shapes: _Shapes = {
        "positional_embedding": (text.context, width),
        "padding_embedding": (text.context, width),
        "token_embedding.weight": (text.vocabulary, width),
    }
    for number in range(text.layers):
        shapes |= under(f"transformer.resblocks.{number}", block)
    return shapes | layer_shapes("final_ln", width) | layer_shapes("transformer_proj", embedding, width)


def _unet(sizes: NetworkSizes, text_width: int, inputs: int) -> _Shapes:
    """The blocks from pictures to noise; each is a list of parts, whose numbers are in the keys."""
    embedding = 4 * sizes.channels
    first = channels = sizes.channels * sizes.multipliers[0]
    levels = [(2**level, sizes.channels * multiplier) for level, multiplier in enumerate(sizes.multipliers)]
    encoder = [[layer_shapes("", channels, inputs, 3, 3)]]
    skips = [channels]
    for factor, width in levels:
        for _ in range(sizes.residual_blocks):
            block = [_residual(channels, width, embedding)]
            channels = width
            encoder.append([*block, _attention(channels, text_width)] if factor in sizes.attention else block)
            skips.append(channels)
        if factor != levels[-1][0]:
            encoder.append([_residual(channels, channels, embedding)])
            skips.append(channels)
    around = _residual(channels, channels, embedding)
    middle = [around, _attention(channels, text_width), around]
    decoder = []
    for factor, width in reversed(levels):
        for number in range(sizes.residual_blocks + 1):
            block = [_residual(channels + skips.pop(), width, embedding)]
            channels = width
            if factor in sizes.attention:
                block.append(_attention(channels, text_width))
            if factor > 1 and number == sizes.residual_blocks:
                block.append(_residual(channels, channels, embedding))
            decoder.append(block)
    shapes: _Shapes = {}
    for name, blocks in (("input_blocks", encoder), ("middle_block", [middle]), ("output_blocks", decoder)):
        for number, block in enumerate(blocks):
            prefix = name if name == "middle_block" else f"{name}.{number}"
            for position, part in enumerate(block):
                shapes |= {f"{prefix}.{position}.{key.lstrip('.')}": shape for key, shape in part.items()}
    return shapes | layer_shapes("out.0", channels) | layer_shapes("out.2", 2 * COLOURS, first, 3, 3)


def _residual(channels: int, out_channels: int, embedding: int) -> _Shapes:
    return {
        **layer_shapes("in_layers.0", channels),
        **layer_shapes("in_layers.2", out_channels, channels, 3, 3),
        **layer_shapes("emb_layers.1", 2 * out_channels, embedding),
        **layer_shapes("out_layers.0", out_channels),
        **layer_shapes("out_layers.3", out_channels, out_channels, 3, 3),
        **({} if channels == out_channels else layer_shapes("skip_connection", out_channels, channels, 1, 1)),
    }


def _attention(channels: int, text_width: int) -> _Shapes:
    return {
        **layer_shapes("norm", channels),
        **layer_shapes("qkv", 3 * channels, channels, 1),
        **layer_shapes("encoder_kv", 2 * channels, text_width, 1),
        **layer_shapes("proj_out", channels, channels, 1),
    }
