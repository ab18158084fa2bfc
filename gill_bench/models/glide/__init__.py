"""GLIDE (filtered), 64 then 256 pixels: a text-only baseline of Tables 1, 2 and 8 (protocol 5).

No maintained library provides GLIDE's networks, so this package has its own: small ones, compared key by key and number
by number with what the protocol says. The weights are the official `base.pt` and `upsample.pt` in one folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.interfaces import ImageGenerator
from gill_bench.models.components import expect_components
from gill_bench.models.glide.files import NAMES, check_tokenizer_files, find_checkpoint
from gill_bench.models.glide.settings import Settings
from gill_bench.models.glide.shapes import check_network
from gill_bench.models.glide.sizes import read_sizes

__all__ = ["Settings", "check", "load"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check files, and the keys and shapes in them.

    The components are `checkpoint`, with `base.pt` and `upsample.pt`, and `glide.json` if they are not of the official
    sizes; and `tokenizer`, with the files of GPT-2's tokenizer.
    """
    expect_components(weights, "checkpoint", "tokenizer")
    for name in NAMES:
        find_checkpoint(weights["checkpoint"], name)
    sizes = read_sizes(weights["checkpoint"])
    check_tokenizer_files(weights["tokenizer"], sizes.text.vocabulary)
    for name in NAMES:
        check_network(weights["checkpoint"], name, sizes)


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> ImageGenerator:
    """Load both networks and the tokenizer."""
    expect_components(weights, "checkpoint", "tokenizer")
    from gill_bench.models.glide.generator import load_generator

    return load_generator(weights["checkpoint"], weights["tokenizer"], settings, device)
