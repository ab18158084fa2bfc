from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gill_bench.mini.scene import Scene, Thing
from gill_bench.models.fromage import Settings
from gill_bench.models.fromage.model import Fromage
from gill_bench.prompt import Prompt
from tests.models.fromage.build import State, build_fromage
from tests.models.fromage.reference import Reference
from tests.support.random_weights import build_clip, build_opt


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fromage")
    build_opt(root / "opt-mini")
    build_clip(root / "clip-mini")
    for k in (1, 4):
        build_fromage(root / f"vis{k}", k)
    build_fromage(root / "plain", 1, None)
    return root


@pytest.fixture(scope="session", params=["vis1", "vis4", "plain"])
def name(request: pytest.FixtureRequest) -> str:
    """The names of both released variants, and of a variant without projection of text."""
    return str(request.param)


@pytest.fixture(scope="session")
def fromage(folder: Path, name: str) -> Fromage:
    return Fromage.load(weights_of(folder, name), Settings(squash_size=32), "cpu")


@pytest.fixture(scope="session")
def reference(folder: Path, name: str) -> Reference:
    return Reference(folder, name)


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
        Prompt(("two", "segments", " three")),
        Prompt(("the ring is pink . " * 12, blue, "one", red, grey)),
    ]


def weights_of(folder: Path, name: str) -> dict[str, Path]:
    return {"checkpoint": folder / name, "llm": folder / "opt-mini", "visual_encoder": folder / "clip-mini"}


@pytest.fixture
def edit(folder: Path, tmp_path: Path) -> Callable[[Callable[[State], Any]], dict[str, Path]]:
    """Copy the checkpoint and edit its state dict; what the edit returns, if anything, is saved instead."""

    def change(function: Callable[[State], Any]) -> dict[str, Path]:
        shutil.copytree(folder / "vis1", tmp_path / "vis1")
        file = tmp_path / "vis1" / "pretrained_ckpt.pth.tar"
        state = torch.load(file, weights_only=True)["state_dict"]
        changed = function(state)
        torch.save({"state_dict": state} if changed is None else changed, file)
        return {**weights_of(folder, "vis1"), "checkpoint": tmp_path / "vis1"}

    return change
