"""GLIDE (filtered), 64 then 256 pixels: a text-only baseline of Tables 1, 2 and 8 (protocol 5).

No maintained library provides GLIDE's networks, so this package has its own: small ones, compared key by key and number
by number with what the protocol says. The weights are the official `base.pt` and `upsample.pt` in one folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gill_bench.interfaces import ImageGenerator
from gill_bench.models.components import expect_components
from gill_bench.models.glide.settings import Settings

__all__ = ["Settings", "check", "load"]


def check(weights: Mapping[str, Path], settings: Settings) -> None:
    """Check files, and the keys and shapes in them, before anything is loaded.

    Args:
        weights: Local folders of the components `checkpoint` and `tokenizer`.
        settings: The card's settings; all of them suit any GLIDE.

    Raises:
        InputError: A file is missing, cut off or of another model; names the file, and the keys.
    """
    expect_components(weights, "checkpoint", "tokenizer")
    from gill_bench.models.glide.checking import check_weights

    check_weights(weights["checkpoint"], weights["tokenizer"])


def load(weights: Mapping[str, Path], settings: Settings, device: str) -> ImageGenerator:
    """Load both networks and the tokenizer; see `check` for the arguments.

    Raises:
        InputError: The weights are damaged, incomplete or of another model.
    """
    expect_components(weights, "checkpoint", "tokenizer")
    from gill_bench.models.glide.generator import load_generator

    return load_generator(weights["checkpoint"], weights["tokenizer"], settings, device)
