"""The trained part of GILL: input and output projections, the generation head, and the [IMG] embeddings.

The attributes are named as in the checkpoints, without the prefix `model.`, so that a checkpoint's tensors are exactly
the state dict of `GillHeads` (protocol 1.3-1.6).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gill_bench.models.gill.sizes import MAPPER_ATTENTION_HEADS, GillSizes, HeadSizes, head_sizes, vector_width
from gill_bench.models.layer_shapes import Shapes


class GillHeads(nn.Module):
    """All 137 tensors that GILL trains.

    Args:
        sizes: Sizes that determine the shapes of the tensors.
        shapes: Shapes of a checkpoint's tensors by key (without `model.`), which give the generation head's inner
            sizes. Without them the inner sizes are the authors' constants.

    Attributes:
        conditioning_width: Width of one conditioning vector.
    """

    def __init__(self, sizes: GillSizes, shapes: Shapes | None = None) -> None:
        super().__init__()
        e = sizes.llm_width
        self.input_embeddings = nn.Embedding(sizes.num_tokens, e)
        self.logit_scale = nn.Parameter(torch.empty(()))
        self.visual_embeddings = nn.Linear(sizes.vision_width, sizes.n_visual_tokens * e)
        self.visual_fc = nn.Linear(sizes.vision_width, sizes.ret_emb_dim)
        self.ret_text_hidden_fcs = nn.ModuleList([SharedLinear(e, sizes.ret_emb_dim, outputs=1)])
        head = head_sizes(sizes, shapes or {})
        self.gen_text_hidden_fcs = nn.ModuleList([GENERATION_HEADS[sizes.text_fc_mode](sizes, head)])
        self.conditioning_width = vector_width(sizes, head)
        self.sizes = sizes

    def visual_tokens(self, features: Tensor) -> Tensor:
        """Input embeddings (N, k, e) of pictures from their CLIP features (N, d)."""
        projected: Tensor = self.visual_embeddings(features)
        return projected.view(len(features), self.sizes.n_visual_tokens, self.sizes.llm_width)

    def embed_features(self, features: Tensor) -> Tensor:
        """Retrieval vectors (N, p) of pictures from their CLIP features (N, d); not normalised."""
        projected: Tensor = self.visual_fc(features)
        return projected

    def embed_states(self, states: Tensor) -> Tensor:
        """Retrieval vectors (N, p) from [IMG] states (N, r, e), by the first of them; not normalised."""
        projected: Tensor = self.ret_text_hidden_fcs[0](states, None)
        return projected[:, 0]

    def condition(self, states: Tensor) -> Tensor:
        """Conditioning vectors (N, n, width) from [IMG] states (N, r, e), without padding to the decoder's context."""
        rows = self.input_embeddings.weight.expand(len(states), -1, -1)
        output: Tensor = self.gen_text_hidden_fcs[0](states, rows)
        # A head that gives other lengths is read as one flat row (protocol 1.13).
        width = self.conditioning_width
        return output.reshape(len(states), output.shape[1] * output.shape[2] // width, width)


class SharedLinear(nn.Module):
    """The same linear layer at each of the first `outputs` positions (protocol 1.4)."""

    def __init__(self, width: int, output_width: int, outputs: int) -> None:
        super().__init__()
        self.model = nn.Linear(width, output_width)
        self.outputs = outputs

    def forward(self, states: Tensor, embeddings: Tensor | None) -> Tensor:
        """Map states (N, r, e) to (N, min(r, outputs), output width); the embeddings are not read."""
        output: Tensor = self.model(states[:, : self.outputs])
        return output


class GillMapper(nn.Module):
    """A small encoder-decoder with learnt queries, over states plus input embeddings (protocol 1.4)."""

    def __init__(
        self, width: int, output_width: int, outputs: int, hidden: int, feedforward: int, encoders: int, decoders: int
    ) -> None:
        super().__init__()
        arguments = {"dropout": 0.0, "batch_first": True, "norm_first": True}
        layer = nn.TransformerEncoderLayer(hidden, MAPPER_ATTENTION_HEADS, feedforward, **arguments)  # type: ignore[arg-type]
        self.fc = nn.Linear(width, hidden)
        self.tfm = nn.Transformer(
            hidden,
            MAPPER_ATTENTION_HEADS,
            num_decoder_layers=decoders,
            dim_feedforward=feedforward,
            # The encoder that nn.Transformer would build itself, but without nested tensors, which do not work with
            # norm_first and would only give a warning.
            custom_encoder=nn.TransformerEncoder(layer, encoders, nn.LayerNorm(hidden), enable_nested_tensor=False),
            **arguments,  # type: ignore[arg-type]
        )
        self.query_embs = nn.Parameter(torch.empty(1, outputs, hidden))
        self.model = nn.Linear(hidden, output_width)

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Map states (N, r, e) and the input embeddings (N, r, e) at their positions to (N, outputs, output width)."""
        source = self.fc(states + embeddings)
        output: Tensor = self.model(self.tfm(source, self.query_embs.expand(len(source), -1, -1)))
        return output


class SharedMlp(nn.Module):
    """The same three layers with LeakyReLU at every position: the MLP of Table 3, with the widths of protocol 2.9."""

    def __init__(self, width: int, hidden: int, output_width: int, outputs: int) -> None:
        super().__init__()
        # PyTorch's slope of 0.01; the paper does not state one.
        self.layers = nn.Sequential(nn.Linear(width, hidden), nn.LeakyReLU(), nn.Linear(hidden, hidden), nn.LeakyReLU())
        self.model = nn.Linear(hidden, output_width)
        self.outputs = outputs

    def forward(self, states: Tensor, embeddings: Tensor | None) -> Tensor:
        """Map states (N, r, e) to (N, min(r, outputs), output width); the embeddings are not read."""
        output: Tensor = self.model(self.layers(states[:, : self.outputs]))
        return output


class SharedEncoder(nn.Module):
    """A bidirectional encoder over the states: the encoder of Table 3 (protocol 2.9), with GILLMapper's block."""

    def __init__(
        self, width: int, output_width: int, outputs: int, hidden: int, feedforward: int, encoders: int
    ) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            hidden, MAPPER_ATTENTION_HEADS, feedforward, dropout=0.0, batch_first=True, norm_first=True
        )
        self.fc = nn.Linear(width, hidden)
        self.tfm = nn.TransformerEncoder(layer, encoders, nn.LayerNorm(hidden), enable_nested_tensor=False)
        # nn.Transformer does this with its own layers; else the copies of one layer would begin with the same values.
        for parameter in self.tfm.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)
        self.model = nn.Linear(hidden, output_width)
        self.outputs = outputs

    def forward(self, states: Tensor, embeddings: Tensor | None) -> Tensor:
        """Map states (N, r, e) to (N, min(r, outputs), output width); the embeddings are not read."""
        output: Tensor = self.model(self.tfm(self.fc(states))[:, : self.outputs])
        return output


def _gill_mapper(sizes: GillSizes, head: HeadSizes) -> nn.Module:
    return GillMapper(
        sizes.llm_width,
        head.output_width,
        sizes.num_clip_tokens,
        head.hidden,
        head.feedforward,
        head.encoders,
        head.decoders,
    )


def _linear(sizes: GillSizes, head: HeadSizes) -> nn.Module:
    return SharedLinear(sizes.llm_width, head.output_width, sizes.num_clip_tokens)


def _mlp(sizes: GillSizes, head: HeadSizes) -> nn.Module:
    return SharedMlp(sizes.llm_width, head.hidden, head.output_width, sizes.num_clip_tokens)


def _encoder(sizes: GillSizes, head: HeadSizes) -> nn.Module:
    return SharedEncoder(
        sizes.llm_width, head.output_width, sizes.num_clip_tokens, head.hidden, head.feedforward, head.encoders
    )


GENERATION_HEADS: dict[str, Callable[[GillSizes, HeadSizes], nn.Module]] = {
    "gill_mapper": _gill_mapper,
    "linear": _linear,
    "mlp": _mlp,
    "encoder": _encoder,
}
"""Constructor by `text_fc_mode`; takes the sizes of GILL and those of the head."""
