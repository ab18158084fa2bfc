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
    """Attention of every position to every position; the rows of `c_qkv` are, head by head, query, key and value.

    Torch's own attention accumulates and takes the softmax in float32. Its scale d^-1/2 of the products equals the
    authors' scale d^-1/4 of both factors.

    Args:
        width: Number of channels, W.
        heads: Number of heads, each with W / heads channels.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.c_qkv = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, L, W) to (N, L, W)."""
        split = self.c_qkv(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        attended = functional.scaled_dot_product_attention(*split.chunk(3, dim=-1))
        out: Tensor = self.c_proj(attended.transpose(1, 2).flatten(2))
        return out


class TextBlock(nn.Module):
    """One layer: attention, then an MLP of four times the width, each after a norm and added to its input."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = Float32LayerNorm(width)
        self.attn = TextAttention(width, heads)
        self.ln_2 = Float32LayerNorm(width)
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, L, W) to (N, L, W)."""
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp["c_proj"](functional.gelu(self.mlp["c_fc"](self.ln_2(x))))
        return out


class TextTransformer(nn.Module):
    """The text half of a network. The UNet inherits from it, because official files have the keys of both side by side.

    Args:
        sizes: Sizes of the transformer.
        embedding_width: Width of the UNet's time embedding, E.
    """

    def __init__(self, sizes: TextSizes, embedding_width: int) -> None:
        super().__init__()
        self.positional_embedding = nn.Parameter(nn.init.normal_(torch.empty(sizes.context, sizes.width), std=0.01))
        self.padding_embedding = nn.Parameter(nn.init.normal_(torch.empty(sizes.context, sizes.width), std=0.01))
        self.token_embedding = nn.Embedding(sizes.vocabulary, sizes.width)
        layers = [TextBlock(sizes.width, sizes.heads) for _ in range(sizes.layers)]
        self.transformer = nn.ModuleDict({"resblocks": nn.Sequential(*layers)})
        self.final_ln = Float32LayerNorm(sizes.width)
        self.transformer_proj = nn.Linear(sizes.width, embedding_width)

    def read(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Read N texts.

        Args:
            ids: Token ids, (N, L) int64; L is the whole context.
            mask: (N, L) bool, False for padding, whose ids do not matter.

        Returns:
            Vectors (N, E) to add to the time embedding, from the last position even if it is padding; and vectors
            (N, W, L) to which pictures attend.
        """
        x = self.token_embedding(ids) + self.positional_embedding
        x = torch.where(mask[..., None], x, self.padding_embedding)
        x = self.final_ln(self.transformer["resblocks"](x))
        return self.transformer_proj(x[:, -1]), x.transpose(1, 2)
