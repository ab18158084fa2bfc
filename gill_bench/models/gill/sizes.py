"""The sizes of GILL's trained part, and the shapes that its tensors have by them; torch is not imported.

The keys are those of `GillHeads`, without the prefix `model.` of the checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gill_bench.models.interleaved.network_sizes import CONTEXT
from gill_bench.models.layer_shapes import Shapes, layer_shapes, under

MAPPER_ATTENTION_HEADS = 4  # authors' constant (protocol 1.4)
_HEAD = "gen_text_hidden_fcs.0."


@dataclass(frozen=True, slots=True)
class GillSizes:
    """The sizes that determine the shapes of all trained tensors; see also `GillArguments`.

    Attributes:
        llm_width: Width of the language model's embeddings and states, e.
        vision_width: Width of CLIP's pooled features, d.
    """

    llm_width: int
    vision_width: int
    num_tokens: int
    n_visual_tokens: int
    ret_emb_dim: int
    gen_emb_dim: int
    num_clip_tokens: int = CONTEXT
    text_fc_mode: str = "gill_mapper"


class HeadSizes(NamedTuple):
    """The sizes of a generation head that `model_args.json` does not say; 0 for those that its kind does not have.

    Attributes:
        output_width: Numbers that its last layer gives at one position.
        hidden: Width of its hidden states.
        feedforward: Width of the feed-forward layers of its transformer.
        encoders: Number of encoder layers.
        decoders: Number of decoder layers.
    """

    output_width: int
    hidden: int = 0
    feedforward: int = 0
    encoders: int = 0
    decoders: int = 0


def head_sizes(sizes: GillSizes, shapes: Shapes) -> HeadSizes:
    """The sizes of the generation head in a checkpoint; where its tensors do not say them, the authors' constants.

    Args:
        sizes: Sizes that the checkpoint's arguments say.
        shapes: Shapes of the checkpoint's tensors by key, without `model.`; none for the constants.
    """
    inner = {key.removeprefix(_HEAD): shape for key, shape in shapes.items() if key.startswith(_HEAD)}
    hidden = _rows(inner, "fc.weight", 512)
    match sizes.text_fc_mode:
        case "gill_mapper":
            feedforward = _rows(inner, "tfm.encoder.layers.0.linear1.weight", 4 * hidden)
            encoders = _layers(inner, "tfm.encoder.layers.") or 4
            decoders = _layers(inner, "tfm.decoder.layers.") or 4
            return HeadSizes(sizes.gen_emb_dim, hidden, feedforward, encoders, decoders)
        case "encoder":
            feedforward = _rows(inner, "tfm.layers.0.linear1.weight", 4 * hidden)
            encoders = _layers(inner, "tfm.layers.") or 4
            return HeadSizes(_output_width(sizes, inner), hidden, feedforward, encoders)
        case "mlp":
            # With OPT-6.7b the layers are 4096 -> 2048 -> 2048 -> 7392, near GILLMapper in size.
            return HeadSizes(_output_width(sizes, inner), _rows(inner, "layers.0.weight", 2048))
        case _:
            return HeadSizes(_output_width(sizes, inner))


def flat_width(sizes: GillSizes) -> int:
    """Numbers per [IMG] position with which a head without queries gives all conditioning vectors (protocol 2.9).

    0 where the positions do not share them evenly.
    """
    width, rest = divmod(sizes.num_clip_tokens * sizes.gen_emb_dim, min(sizes.num_tokens, sizes.num_clip_tokens))
    return 0 if rest else width


def conditioning_width(sizes: GillSizes, output_width: int) -> int:
    """Width of a conditioning vector when the head maps each position to `output_width` numbers.

    The authors' invariant: positions x output width = conditioning vectors x width, or a single position, whose output
    is read as whole vectors. 0 where neither holds.
    """
    positions = min(sizes.num_tokens, sizes.num_clip_tokens)
    width, rest = divmod(positions * output_width, sizes.num_clip_tokens)
    if rest:
        return output_width if positions == 1 else 0
    return width


def vector_width(sizes: GillSizes, head: HeadSizes) -> int:
    """Width of a conditioning vector of a generation head; 0 if the head gives no whole vectors."""
    return head.output_width if sizes.text_fc_mode == "gill_mapper" else conditioning_width(sizes, head.output_width)


def gill_shapes(sizes: GillSizes, head: HeadSizes) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of `GillHeads`, in the order of its state dict."""
    e = sizes.llm_width
    return {
        "logit_scale": (),
        "input_embeddings.weight": (sizes.num_tokens, e),
        **layer_shapes("visual_embeddings", sizes.n_visual_tokens * e, sizes.vision_width),
        **layer_shapes("visual_fc", sizes.ret_emb_dim, sizes.vision_width),
        **layer_shapes("ret_text_hidden_fcs.0.model", sizes.ret_emb_dim, e),
        **under(_HEAD.rstrip("."), _generation_head(sizes, head)),
    }


def _generation_head(sizes: GillSizes, head: HeadSizes) -> dict[str, tuple[int, ...]]:
    e, hidden = sizes.llm_width, head.hidden
    match sizes.text_fc_mode:
        case "gill_mapper":
            return {
                "query_embs": (1, sizes.num_clip_tokens, hidden),
                **layer_shapes("fc", hidden, e),
                **under("tfm.encoder", _stack(head, head.encoders, "self_attn")),
                **under("tfm.decoder", _stack(head, head.decoders, "self_attn", "multihead_attn")),
                **layer_shapes("model", head.output_width, hidden),
            }
        case "encoder":
            return {
                **layer_shapes("fc", hidden, e),
                **under("tfm", _stack(head, head.encoders, "self_attn")),
                **layer_shapes("model", head.output_width, hidden),
            }
        case "mlp":
            return {
                **layer_shapes("layers.0", hidden, e),
                **layer_shapes("layers.2", hidden, hidden),
                **layer_shapes("model", head.output_width, hidden),
            }
        case _:
            return layer_shapes("model", head.output_width, e)


def _stack(head: HeadSizes, layers: int, *attentions: str) -> dict[str, tuple[int, ...]]:
    """The layers of PyTorch's transformer encoder or decoder, and the norm at their end."""
    hidden = head.hidden
    layer: dict[str, tuple[int, ...]] = {}
    for attention in attentions:
        layer |= {f"{attention}.in_proj_weight": (3 * hidden, hidden), f"{attention}.in_proj_bias": (3 * hidden,)}
        layer |= layer_shapes(f"{attention}.out_proj", hidden, hidden)
    layer |= layer_shapes("linear1", head.feedforward, hidden) | layer_shapes("linear2", hidden, head.feedforward)
    for number in range(len(attentions) + 1):
        layer |= layer_shapes(f"norm{number + 1}", hidden)
    stacked = {key: shape for number in range(layers) for key, shape in under(f"layers.{number}", layer).items()}
    return stacked | layer_shapes("norm", hidden)


def _output_width(sizes: GillSizes, shapes: Shapes) -> int:
    # gen_emb_dim is the layer's output in the authors' code, but the width of SD's conditioning in the paper.
    given = _rows(shapes, "model.weight", sizes.gen_emb_dim)
    return given if given == flat_width(sizes) else sizes.gen_emb_dim


def _rows(shapes: Shapes, key: str, default: int) -> int:
    return shapes[key][0] if shapes.get(key) else default


def _layers(shapes: Shapes, prefix: str) -> int:
    numbers = {key.removeprefix(prefix).split(".")[0] for key in shapes if key.startswith(prefix)}
    return len([number for number in numbers if number.isdigit()])
