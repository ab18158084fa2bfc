"""A second GLIDE, plain and slow, from the text of protocol 5 alone: functions over state dicts, in float64.

It shares no code with the package. It tells the kind of a block from the keys that exist.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv1d, conv2d, interpolate

State = Mapping[str, Tensor]


def under(state: State, prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix + "."): value for key, value in state.items() if key.startswith(prefix + ".")}


def affine(state: State, name: str, x: Tensor) -> Tensor:
    return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]


def silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt() * state[f"{name}.weight"]
        + state[f"{name}.bias"]
    )


def group_norm(state: State, name: str, x: Tensor, groups: int) -> Tensor:
    grouped = x.reshape(len(x), groups, -1)
    centred = grouped - grouped.mean(-1, keepdim=True)
    normal = (centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()).reshape(x.shape)
    ones = [1] * (x.ndim - 2)
    return normal * state[f"{name}.weight"].reshape(-1, *ones) + state[f"{name}.bias"].reshape(-1, *ones)


def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(T, d), (S, d), (S, d) of one head of one sample."""
    scale = query.shape[1] ** -0.25
    scores = (query * scale) @ (key * scale).T
    scores = torch.exp(scores - scores.max(dim=1, keepdim=True).values)
    return scores / scores.sum(dim=1, keepdim=True) @ value


def read_text(state: State, ids: Sequence[int], length: int, heads: int) -> tuple[Tensor, Tensor]:
    """Read one text without padding: the vector added to the time embedding, and (length, width) for attention."""
    rows = [
        state["token_embedding.weight"][ids[position]] + state["positional_embedding"][position]
        if position < len(ids)
        else state["padding_embedding"][position]
        for position in range(length)
    ]
    x = torch.stack(rows)
    layers = {int(key.split(".")[2]) for key in state if key.startswith("transformer.resblocks.")}
    for layer in sorted(layers):
        part = under(state, f"transformer.resblocks.{layer}")
        qkv = affine(part, "attn.c_qkv", layer_norm(part, "ln_1", x)).reshape(length, heads, -1)
        width = qkv.shape[2] // 3
        heads_out = [
            attend(qkv[:, head, :width], qkv[:, head, width : 2 * width], qkv[:, head, 2 * width :])
            for head in range(heads)
        ]
        x = x + affine(part, "attn.c_proj", torch.cat(heads_out, dim=1))
        hidden = affine(part, "mlp.c_fc", layer_norm(part, "ln_2", x))
        x = x + affine(part, "mlp.c_proj", hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2))))
    x = layer_norm(state, "final_ln", x)
    return affine(state, "transformer_proj", x[length - 1]), x


def residual(part: State, x: Tensor, embedding: Tensor, groups: int, resample: str = "") -> Tensor:
    h = silu(group_norm(part, "in_layers.0", x, groups))
    if resample == "up":
        h, x = (item.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) for item in (h, x))
    elif resample == "down":
        h, x = avg_pool2d(h, 2), avg_pool2d(x, 2)
    h = conv2d(h, part["in_layers.2.weight"], part["in_layers.2.bias"], padding=1)
    both = affine(part, "emb_layers.1", silu(embedding))
    scale, shift = both[: h.shape[1]], both[h.shape[1] :]
    h = group_norm(part, "out_layers.0", h, groups) * (1 + scale[:, None, None]) + shift[:, None, None]
    h = conv2d(silu(h), part["out_layers.3.weight"], part["out_layers.3.bias"], padding=1)
    if "skip_connection.weight" in part:
        x = conv2d(x, part["skip_connection.weight"], part["skip_connection.bias"])
    return x + h


def attention(part: State, x: Tensor, text: Tensor, groups: int, head_width: int) -> Tensor:
    flat = group_norm(part, "norm", x, groups).reshape(1, x.shape[1], -1)
    own = conv1d(flat, part["qkv.weight"], part["qkv.bias"])[0].T
    other = conv1d(text.T[None], part["encoder_kv.weight"], part["encoder_kv.bias"])[0].T
    out = []
    for head in range(x.shape[1] // head_width):
        start, text_start = head * 3 * head_width, head * 2 * head_width
        query, key, value = (own[:, start + item * head_width :][:, :head_width] for item in range(3))
        text_key, text_value = (other[:, text_start + item * head_width :][:, :head_width] for item in range(2))
        out.append(attend(query, torch.cat([text_key, key]), torch.cat([text_value, value])))
    result = conv1d(torch.cat(out, dim=1).T[None], part["proj_out.weight"], part["proj_out.bias"])
    return x + result.reshape(x.shape)


class Reference:
    """A network of GLIDE in float64, written from its description.

    Args:
        state: State dict of the package's network or of a file.
        length: Number of text tokens.
        text_heads: Attention heads of the text transformer.
        groups: Number of groups of each group norm.
        head_width: Width of an attention head in the UNet.
        residual_blocks: Residual blocks per level on the way down.
    """

    def __init__(
        self, state: State, *, length: int, text_heads: int, groups: int, head_width: int, residual_blocks: int
    ) -> None:
        self.state = {key: value.double() for key, value in state.items()}
        self.length, self.text_heads = length, text_heads
        self.groups, self.head_width, self.residual_blocks = groups, head_width, residual_blocks

    def __call__(self, x: Tensor, timestep: int, ids: Sequence[int], small: Tensor | None = None) -> Tensor:
        """Return the output for x (1, 3, R, R), the text's unpadded ids, and (1, 3, r, r) for the upsampler."""
        state = self.state
        if small is not None:
            large = interpolate(small, x.shape[2:], mode="bilinear", align_corners=False)
            x = torch.cat([x, large], dim=1)
        projection, text = read_text(state, ids, self.length, self.text_heads)
        dim = state["time_embed.0.weight"].shape[1]
        frequencies = [10000 ** (-index / (dim // 2)) for index in range(dim // 2)]
        waves = [math.cos(timestep * f) for f in frequencies] + [math.sin(timestep * f) for f in frequencies]
        embedding = affine(state, "time_embed.0", torch.tensor(waves, dtype=torch.float64))
        embedding = affine(state, "time_embed.2", silu(embedding)) + projection

        def run(name: str, h: Tensor) -> Tensor:
            for layer in sorted({key.split(".")[0] for key in under(state, name)}):
                part = under(state, f"{name}.{layer}")
                if "norm.weight" in part:
                    h = attention(part, h, text, self.groups, self.head_width)
                elif "in_layers.0.weight" in part:
                    kind, _, number = name.partition(".")
                    down = kind == "input_blocks" and int(number) % (self.residual_blocks + 1) == 0
                    up = kind == "output_blocks" and layer != "0"
                    resample = "down" if down else "up" if up else ""
                    h = residual(part, h, embedding, self.groups, resample)
                else:
                    h = conv2d(h, part["weight"], part["bias"], padding=1)
            return h

        h, kept = x, []
        for number in range(count(state, "input_blocks")):
            h = run(f"input_blocks.{number}", h)
            kept.append(h)
        h = run("middle_block", h)
        for number in range(count(state, "output_blocks")):
            h = run(f"output_blocks.{number}", torch.cat([h, kept.pop()], dim=1))
        h = silu(group_norm(state, "out.0", h, self.groups))
        return conv2d(h, state["out.2.weight"], state["out.2.bias"], padding=1)


def count(state: State, name: str) -> int:
    return 1 + max(int(key.split(".")[1]) for key in state if key.startswith(name + "."))


def cosine_betas() -> np.ndarray:
    def bar(t: float) -> float:
        return float(np.cos((t + 0.008) / 1.008 * np.pi / 2) ** 2)

    return np.array([min(0.999, 1 - bar((i + 1) / 1000) / bar(i / 1000)) for i in range(1000)])


def linear_betas() -> np.ndarray:
    return np.linspace(1e-4, 0.02, 1000)


class Respaced:
    """Tables of a process that keeps some timesteps, from its new betas."""

    def __init__(self, betas: np.ndarray, kept: Sequence[int]) -> None:
        bars = np.cumprod(1 - betas)[list(kept)]
        self.betas = 1 - bars / np.concatenate([[1.0], bars[:-1]])
        self.bars = np.cumprod(1 - self.betas)
        self.bars_before = np.concatenate([[1.0], self.bars[:-1]])
        self.posterior = self.betas * (1 - self.bars_before) / (1 - self.bars)
        self.posterior_log = np.log(np.concatenate([self.posterior[1:2], self.posterior[1:]]))

    def picture(self, index: int, x: Tensor, eps: Tensor) -> Tensor:
        bar = self.bars[index]
        exact: Tensor = (x - math.sqrt(1 - bar) * eps) / math.sqrt(bar)
        return exact.clip(-1, 1)

    def ancestral(self, index: int, x: Tensor, eps: Tensor, v: Tensor, noise: Tensor) -> Tensor:
        beta, bar, before = self.betas[index], self.bars[index], self.bars_before[index]
        first = beta * math.sqrt(before) / (1 - bar)
        second = (1 - before) * math.sqrt(1 - beta) / (1 - bar)
        mean: Tensor = first * self.picture(index, x, eps) + second * x
        frac = (v + 1) / 2
        log_variance = frac * math.log(beta) + (1 - frac) * self.posterior_log[index]
        return mean + torch.exp(log_variance / 2) * noise if index else mean

    def deterministic(self, index: int, x: Tensor, eps: Tensor) -> Tensor:
        picture = self.picture(index, x, eps)
        eps = (x - math.sqrt(self.bars[index]) * picture) / math.sqrt(1 - self.bars[index])
        return picture * math.sqrt(self.bars_before[index]) + math.sqrt(1 - self.bars_before[index]) * eps


def sample(
    base: Reference,
    upsampler: Reference,
    ids: Sequence[int],
    noise: tuple[Tensor, Tensor, Tensor],
    *,
    kept: Sequence[int],
    upsampler_kept: Sequence[int],
    guidance: float,
    temperature: float,
) -> Tensor:
    """Generate one picture; noise is (1, 3, r, r), (steps - 1, 1, 3, r, r) and (1, 3, R, R), all float64."""
    process = Respaced(cosine_betas(), kept)
    x, step_noise, large = noise
    for done, index in enumerate(reversed(range(len(kept)))):
        with_text, without = base(x, kept[index], ids), base(x, kept[index], [])
        eps = without[:, :3] + guidance * (with_text[:, :3] - without[:, :3])
        new = step_noise[done] if index else torch.zeros_like(x)
        x = process.ancestral(index, x, eps, with_text[:, 3:], new)
    small = torch.round((x + 1) * 127.5) / 127.5 - 1
    process, x = Respaced(linear_betas(), upsampler_kept), large * temperature
    for index in reversed(range(len(upsampler_kept))):
        x = process.deterministic(index, x, upsampler(x, upsampler_kept[index], ids, small)[:, :3])
    return x
