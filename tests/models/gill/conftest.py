from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gill_bench.mini.scene import Scene, Thing
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.prompt import Prompt
from tests.models.gill.reference import Reference
from tests.support.random_weights import build_clip, build_gill, build_opt, build_sd

State = dict[str, torch.Tensor]
COMPONENTS = {
    "checkpoint": "gill-mini",
    "llm": "opt-mini",
    "visual_encoder": "clip-mini",
    "image_decoder": "sd-mini",
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weights")
    rows = build_opt(root / "opt-mini")
    build_clip(root / "clip-mini")
    build_sd(root / "sd-mini")
    build_gill(root / "gill-mini", rows)
    return root


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(squash_size=32, num_inference_steps=3, safety_checker=False)


@pytest.fixture(scope="session")
def weights(folder: Path) -> dict[str, Path]:
    return {name: folder / sub for name, sub in COMPONENTS.items()}


@pytest.fixture(scope="session")
def gill(weights: dict[str, Path], settings: Settings) -> Gill:
    return Gill.load(weights, settings, "cpu")


@pytest.fixture(scope="session")
def reference(folder: Path) -> Reference:
    return Reference(folder)


@pytest.fixture(scope="session")
def prompts() -> list[Prompt]:
    """Prompts of many lengths, with pictures of many sizes at the start, in the middle, at the end and side by side."""
    red = Scene("snow", Thing("circle", "red", "large", "top")).render()
    blue = Scene("night", Thing("square", "blue", "small", "left")).render().resize((50, 20))
    grey = Image.new("L", (7, 90), 77)
    return [
        Prompt(("a large red circle is at the top .",)),
        Prompt(("a small blue square", red, " it moves to the left .", blue, "and it went away .")),
        Prompt((blue, "one")),
        Prompt(("x", grey)),
        Prompt((red, blue, "Q: what colour is it?\nA: red\n" * 6)),
        Prompt(("", red)),
        Prompt(("two", "segments", " three")),
        Prompt(("the ring is pink . " * 12, blue, "one", red, grey)),
    ]


@pytest.fixture
def edit(folder: Path, tmp_path: Path) -> Callable[[Callable[[State], Any]], dict[str, Path]]:
    """Copy the checkpoint and edit its state dict; what the edit returns, if anything, is saved instead."""

    def change(function: Callable[[State], Any]) -> dict[str, Path]:
        weights = copied(folder, tmp_path)
        file = weights["checkpoint"] / "pretrained_ckpt.pth.tar"
        state = torch.load(file, weights_only=True)["state_dict"]
        changed = function(state)
        torch.save({"state_dict": state} if changed is None else changed, file)
        return weights

    return change


def copied(folder: Path, to: Path) -> dict[str, Path]:
    """Component folders, with the checkpoint copied, so that it can be changed; `llm` and so on are the shared ones."""
    shutil.copytree(folder / "gill-mini", to / "gill-mini")
    return {
        **{name: folder / sub for name, sub in COMPONENTS.items() if name != "image_decoder"},
        "checkpoint": to / "gill-mini",
    }
