"""Tiny GLIDE checkpoints with random weights, laid out as the official ones."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from gill_bench.models.glide.files import NAMES
from gill_bench.models.glide.network import Network
from gill_bench.models.glide.sizes import GlideSizes, NetworkSizes, TextSizes
from tests.models.glide.reference import Reference

MERGES = ["d o", "do g", "Ġ a", "c a", "ca t", "Ġ cat", "r e", "re d"]
CONTEXT = 12
TEXT = TextSizes(vocabulary=256 + len(MERGES) + 1, context=CONTEXT, width=16, layers=2, heads=2)
SIZES = GlideSizes(
    text=TEXT,
    base=NetworkSizes(
        resolution=8,
        channels=8,
        multipliers=(1, 2, 3),
        residual_blocks=2,
        attention=(2, 4),
        head_width=4,
        norm_groups=4,
    ),
    upsampler=NetworkSizes(
        resolution=16,
        channels=8,
        multipliers=(1, 1, 2, 2),
        residual_blocks=1,
        attention=(4,),
        head_width=8,
        norm_groups=2,
    ),
)


def network(*, upsampler: bool, seed: int = 0, sizes: GlideSizes = SIZES) -> Network:
    """A network whose output depends on every one of its weights."""
    generator = torch.Generator().manual_seed(seed)
    unet = Network(sizes.upsampler if upsampler else sizes.base, sizes.text, upsampler=upsampler)
    with torch.no_grad():
        for key, value in unet.named_parameters():
            drawn = torch.randn(value.shape, generator=generator)
            if value.ndim == 1:
                value.copy_(drawn * 0.2 + (1.0 if key.endswith("weight") else 0.0))
            elif "embedding" in key:
                value.copy_(drawn)
            else:
                value.copy_(drawn * 1.3 / (value[0].numel() ** 0.5))
    return unet.eval()


def write_words(folder: Path) -> Path:
    """Write a tokenizer of all bytes, a few merges and the end of text."""
    from tokenizers.pre_tokenizers import ByteLevel

    folder.mkdir(parents=True, exist_ok=True)
    tokens = [*sorted(ByteLevel.alphabet()), *(pair.replace(" ", "") for pair in MERGES), "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES, ""]), encoding="utf-8")
    return folder


def write_glide(folder: Path, seed: int = 0) -> Path:
    """Write both networks, their sizes, and the tokenizer, all into one folder."""
    write_words(folder)
    (folder / "glide.json").write_text(SIZES.model_dump_json())
    for name in NAMES:
        torch.save(network(upsampler=name == "upsample", seed=seed).state_dict(), folder / f"{name}.pt")
    return folder


def edit_state(file: Path, **changes: Any) -> None:
    """Change tensors of a checkpoint; None removes one. `__` in a name stands for a dot."""
    state = torch.load(file, weights_only=True)
    for name, value in changes.items():
        key = name.replace("__", ".")
        if value is None:
            del state[key]
        else:
            state[key] = value
    torch.save(state, file)


def tokens(texts: Iterable[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [text + [TEXT.vocabulary - 1] * (CONTEXT - len(text)) for text in texts]
    masks = [[True] * len(text) + [False] * (CONTEXT - len(text)) for text in texts]
    return torch.tensor(rows), torch.tensor(masks)


def reference(of: Network) -> Reference:
    return Reference(
        of.state_dict(),
        length=CONTEXT,
        text_heads=TEXT.heads,
        groups=of.sizes.norm_groups,
        head_width=of.sizes.head_width,
        residual_blocks=of.sizes.residual_blocks,
    )
