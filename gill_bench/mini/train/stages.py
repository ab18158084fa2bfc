"""The stages by name, in the order in which they are trained."""

from __future__ import annotations

from collections.abc import Callable

from gill_bench.mini.train.clip import ClipStage
from gill_bench.mini.train.loop import Stage, Work
from gill_bench.mini.train.opt import OptStage
from gill_bench.mini.train.unet import UnetStage
from gill_bench.mini.train.vae import VaeStage

STAGES: dict[str, Callable[[Work], Stage]] = {
    "vae": VaeStage,
    "clip-mini": ClipStage,
    "opt-mini": OptStage,
    "sd-mini": UnetStage,
}
"""Each may need the folders of those before it."""
