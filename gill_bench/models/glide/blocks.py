"""The blocks of GLIDE's UNets (protocol 5.2), with the attribute names of the official state dicts."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Resampling = Literal["up", "down"]

_RESAMPLE: dict[Resampling, Callable[[Tensor], Tensor]] = {
    "up": partial(functional.interpolate, scale_factor=2.0, mode="nearest"),
    "down": partial(functional.avg_pool2d, kernel_size=2),
}


class Float32GroupNorm(nn.GroupNorm):
    """Group norm that is computed in float32, whatever its input; its parameters stay float32."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise (N, C, ...)."""
        return super().forward(input.float()).to(input.dtype)


def timestep_embedding(timesteps: Tensor, channels: int) -> Tensor:
    """Cosines, then sines, of timesteps at wavelengths from 2 pi to 20000 pi.

    Args:
        timesteps: Timesteps of training (N,), 0..999.
        channels: Width of the embedding D, even.

    Returns:
        (N, D) float32.
    """
    half = channels // 2
    frequencies = torch.arange(half, dtype=torch.float32, device=timesteps.device)
    angles = timesteps.float()[:, None] * torch.exp(-math.log(10000) * frequencies / half)
    return torch.cat([angles.cos(), angles.sin()], dim=1)


class ResidualBlock(nn.Module):
    """Two convolutions, between which an embedding scales and shifts the channels; the input is added to the result.

    Args:
        channels: Channels of the input, C.
        out_channels: Channels of the output, C'.
        embedding: Width of the embedding, E.
        groups: Groups of the norms.
        resample: Whether the resolution is doubled or halved, before the first convolution and in the input that is
            added.
    """

    def __init__(
        self, channels: int, out_channels: int, embedding: int, groups: int, resample: Resampling | None = None
    ) -> None:
        super().__init__()
        self.resample = _RESAMPLE[resample] if resample else None
        self.in_layers = nn.Sequential(
            Float32GroupNorm(groups, channels), nn.SiLU(), nn.Conv2d(channels, out_channels, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, 2 * out_channels))
        self.out_layers = nn.Sequential(
            Float32GroupNorm(groups, out_channels),
            nn.SiLU(),
            nn.Identity(),  # dropout while training
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )
        same = channels == out_channels
        self.skip_connection = nn.Identity() if same else nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """Map pictures (N, C, H, W) and embeddings (N, E) to (N, C', H', W')."""
        norm, activation, convolution = self.in_layers
        h = activation(norm(x))
        if self.resample:
            h, x = self.resample(h), self.resample(x)
        h = convolution(h)
        scale, shift = self.emb_layers(embedding)[..., None, None].chunk(2, dim=1)
        norm, activation, _, convolution = self.out_layers
        h = convolution(activation(norm(h) * (1 + scale) + shift))
        out: Tensor = self.skip_connection(x) + h
        return out


class AttentionBlock(nn.Module):
    """Attention of a picture to a text and to itself; the input is added to the result.

    The channels of `qkv` are, head by head, query, key and value; those of `encoder_kv` are key and value. Precision
    and scale are those of `TextAttention`.

    Args:
        channels: Channels of the pictures, C.
        text_width: Width of the texts, W.
        head_width: Channels of a head.
        groups: Groups of the norm.
    """

    def __init__(self, channels: int, text_width: int, head_width: int, groups: int) -> None:
        super().__init__()
        self.heads = channels // head_width
        self.norm = Float32GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.encoder_kv = nn.Conv1d(text_width, 2 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        """Attend.

        Args:
            x: Pictures (N, C, H, W).
            text: Keys and values (N, 2 C, L) that `encoder_kv` makes of the texts, once for all steps.

        Returns:
            (N, C, H, W).
        """
        query, key, value = self._by_head(self.qkv(self.norm(x).flatten(2))).chunk(3, dim=-1)
        text_key, text_value = self._by_head(text).chunk(2, dim=-1)
        attended = functional.scaled_dot_product_attention(
            query, torch.cat([text_key, key], dim=-2), torch.cat([text_value, value], dim=-2)
        )
        out: Tensor = self.proj_out(attended.transpose(-1, -2).flatten(1, 2))
        return x + out.view_as(x)

    def _by_head(self, x: Tensor) -> Tensor:
        """Reshape (N, heads x D, T) to (N, heads, T, D)."""
        return x.view(len(x), self.heads, -1, x.shape[-1]).transpose(-1, -2)
