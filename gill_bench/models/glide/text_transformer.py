"""GLIDE's text transformer (protocol 5.2): no causal mask, and padding that is learned per position."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gill_bench.models.glide.sizes import TextSizes


class Float32LayerNorm(nn.LayerNorm):
    """Layer norm that is computed in float32, whatever its input; its parameters stay float32."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (..., W)."""
        return super().forward(input.float()).to(input.dtype)


class TextAttention(nn.Module):
    """Attention of all positions to all; the rows of `c_qkv` are, head by head, query, key and value.

    Torch's own attention accumulates and takes the softmax in float32. Its scale d^-1/2 of the products is the
    original's d^-1/4 of both factors.

    Args:
        width: W.
        heads: Of W / heads channels each.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_qkv = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Attend: (N, L, W) to (N, L, W)."""
        split = self.c_qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = functional.scaled_dot_product_attention(*split.chunk(3, dim=-1))
        out: Tensor = self.c_proj(attended.transpose(1, 2).flatten(2))
        return out


class TextBlock(nn.Module):
    """One layer: attention, then a network of four times the width, each after a norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = Float32LayerNorm(width)
        self.attn = TextAttention(width, heads)
        self.ln_2 = Float32LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, W) to (N, L, W)."""
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp["c_proj"](functional.gelu(self.mlp["c_fc"](self.ln_2(x))))
        return out


class TextTransformer(nn.Module):
    """The text half of a network. The UNet inherits from it, because the official keys of both stand side by side.

    Args:
        sizes: Of the transformer.
        embedding_width: E, of the UNet's time embedding.
    """

    def __init__(self, sizes: TextSizes, embedding_width: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(torch.randn(sizes.context, sizes.width) * 0.01)
        self.padding_embedding = nn.Parameter(torch.randn(sizes.context, sizes.width) * 0.01)
        self.token_embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        layers = [TextBlock(sizes.width, sizes.heads) for _ in range(sizes.layers)]
        self.transformer = nn.ModuleDict({"resblocks": nn.Sequential(*layers)})
        self.final_ln = Float32LayerNorm(sizes.width)
        self.transformer_proj = nn.Linear(sizes.width, embedding_width)

    def read(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read texts.

        Args:
            ids: (N, L) int64; L is the whole context.
            mask: (N, L) bool, False for padding, whose ids do not matter.

        Returns:
            (N, E), what is added to the time embedding, from the last position, be it padding; and (N, W, L), what
            pictures attend to.
        """
        x = self.token_embedding(ids) + self.positional_embedding
        x = torch.where(mask[..., None], x, self.padding_embedding)
        x = self.final_ln(self.transformer["resblocks"](x))
        return self.transformer_proj(x[:, -1]), x.transpose(1, 2)
