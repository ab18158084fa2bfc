"""GLIDE's two networks: one class, with the key names and shapes of the official state dicts (protocol 5.2)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gill_bench.models.glide.blocks import AttentionBlock, Float32GroupNorm, ResidualBlock, timestep_embedding
from gill_bench.models.glide.shapes import COLOURS
from gill_bench.models.glide.sizes import NetworkSizes, TextSizes
from gill_bench.models.glide.text_transformer import TextTransformer


class Condition(NamedTuple):
    """N texts as a network's UNet reads them, computed once for all steps.

    Attributes:
        projection: Vectors (N, E) that are added to the time embedding.
        texts: For each attention block, in order, its keys and values (N, 2 C, L) of the texts.
    """

    projection: Tensor
    texts: tuple[Tensor, ...]

    def take(self, index: Tensor) -> Condition:
        """The condition of the texts with the numbers `index` (M,), which may repeat."""
        return Condition(self.projection[index], tuple(text[index] for text in self.texts))

    def followed_by(self, other: Condition) -> Condition:
        """Join the condition of these texts and that of further texts to one batch."""
        pairs = zip(self.texts, other.texts, strict=True)
        return Condition(torch.cat([self.projection, other.projection]), tuple(torch.cat(pair) for pair in pairs))


class Network(TextTransformer):
    """A UNet that predicts noise and variance of pictures, given a text and, for the upsampler, a small picture."""

    def __init__(self, sizes: NetworkSizes, text: TextSizes, *, upsampler: bool) -> None:
        width = 4 * sizes.channels
        super().__init__(text, width)
        self.sizes = sizes
        self.upsampler = upsampler
        self.context = text.context
        self.padding_id = text.vocabulary - 1
        groups, factors = sizes.norm_groups, [2**level for level in range(len(sizes.multipliers))]

        def attention(channels: int) -> AttentionBlock:
            return AttentionBlock(channels, text.width, sizes.head_width, groups)

        self.time_embed = nn.Sequential(nn.Linear(sizes.channels, width), nn.SiLU(), nn.Linear(width, width))
        first = channels = sizes.channels * sizes.multipliers[0]
        inputs = COLOURS * (2 if upsampler else 1)
        encoder: list[list[nn.Module]] = [[nn.Conv2d(inputs, channels, 3, padding=1)]]
        skips = [channels]
        for factor, multiplier in zip(factors, sizes.multipliers, strict=True):
            for _ in range(sizes.residual_blocks):
                block: list[nn.Module] = [ResidualBlock(channels, sizes.channels * multiplier, width, groups)]
                channels = sizes.channels * multiplier
                encoder.append([*block, attention(channels)] if factor in sizes.attention else block)
                skips.append(channels)
            if factor != factors[-1]:
                encoder.append([ResidualBlock(channels, channels, width, groups, "down")])
                skips.append(channels)
        self.input_blocks = nn.ModuleList(nn.ModuleList(block) for block in encoder)
        self.middle_block = nn.ModuleList(
            [
                ResidualBlock(channels, channels, width, groups),
                attention(channels),
                ResidualBlock(channels, channels, width, groups),
            ]
        )
        decoder: list[list[nn.Module]] = []
        for factor, multiplier in zip(reversed(factors), reversed(sizes.multipliers), strict=True):
            for number in range(sizes.residual_blocks + 1):
                block = [ResidualBlock(channels + skips.pop(), sizes.channels * multiplier, width, groups)]
                channels = sizes.channels * multiplier
                if factor in sizes.attention:
                    block.append(attention(channels))
                if factor > 1 and number == sizes.residual_blocks:
                    block.append(ResidualBlock(channels, channels, width, groups, "up"))
                decoder.append(block)
        self.output_blocks = nn.ModuleList(nn.ModuleList(block) for block in decoder)
        self.out = nn.Sequential(
            Float32GroupNorm(groups, channels), nn.SiLU(), nn.Conv2d(first, 2 * COLOURS, 3, padding=1)
        )

    def condition(self, ids: Tensor, mask: Tensor) -> Condition:
        """Read N texts; the result serves any number of calls of `forward`.

        Args:
            ids: Token ids, (N, L) int64; L is the whole context.
            mask: (N, L) bool, False for padding.
        """
        projection, outputs = self.read(ids, mask)
        blocks = (module for module in self.modules() if isinstance(module, AttentionBlock))
        return Condition(projection.float(), tuple(block.encoder_kv(outputs) for block in blocks))

    def unconditional(self) -> Condition:
        """The condition of an empty text (N = 1), which is padding alone."""
        ids = torch.full((1, self.context), self.padding_id, device=self.positional_embedding.device)
        return self.condition(ids, torch.zeros_like(ids, dtype=torch.bool))

    def forward(self, x: Tensor, timesteps: Tensor, condition: Condition, small: Tensor | None = None) -> Tensor:
        """Predict noise and variance.

        Args:
            x: Noisy pictures, (N, 3, R, R) float32.
            timesteps: Timesteps of training (N,), 0..999.
            condition: The N texts.
            small: Pictures to enlarge, (N, 3, r, r) float32 in -1..1; given to the upsampler, and to it alone.

        Returns:
            (N, 6, R, R) float32: the noise, then the log-variance as a position in its range, -1..1.
        """
        if (small is not None) != self.upsampler:
            raise ValueError("the upsampler, and it alone, takes small pictures")
        if small is not None:
            large = functional.interpolate(small, x.shape[-2:], mode="bilinear", align_corners=False)
            x = torch.cat([x, large], dim=1)
        torso = self.transformer_proj.weight.dtype
        embedding = self.time_embed(timestep_embedding(timesteps, self.sizes.channels)) + condition.projection
        embedding, texts, h = embedding.to(torso), iter(condition.texts), x.to(torso)
        skips: list[Tensor] = []
        for block in self.input_blocks:
            h = _run(block, h, embedding, texts)
            skips.append(h)
        h = _run(self.middle_block, h, embedding, texts)
        for block in self.output_blocks:
            h = _run(block, torch.cat([h, skips.pop()], dim=1), embedding, texts)
        out: Tensor = self.out(h.to(x.dtype))
        return out

    def set_torso(self, dtype: torch.dtype) -> None:
        """Set the precision of everything but norms, time embedding and last layer, which are float32."""
        outside = {*self.time_embed.modules(), *self.out.modules()}
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Embedding) and module not in outside:
                module.to(dtype)
        for parameter in (self.positional_embedding, self.padding_embedding):
            parameter.data = parameter.data.to(dtype)


def _run(block: nn.Module, h: Tensor, embedding: Tensor, texts: Iterator[Tensor]) -> Tensor:
    """Run the modules of one block; each attention block takes the next keys and values of `texts`."""
    for module in block.children():
        if isinstance(module, ResidualBlock):
            h = module(h, embedding)
        elif isinstance(module, AttentionBlock):
            h = module(h, next(texts))
        else:
            h = module(h)
    return h
