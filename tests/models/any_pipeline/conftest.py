"""Tiny pipelines of many classes, each written once per module, and loaded to paint 32 x 32 pixels in one step."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gill_bench.interfaces import Noise
from gill_bench.models import any_pipeline
from gill_bench.models.any_pipeline import Settings
from gill_bench.models.described import Described
from gill_bench.prompt import Prompt
from tests.support import tiny_picture_pipelines, tiny_prompt_pipelines, tiny_text_to_image

WRITERS = {**tiny_text_to_image.WRITERS, **tiny_prompt_pipelines.WRITERS}


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some pipelines scale pictures of prompts to a megapixel, which takes a tiny encoder seconds each."""
    edit_plus = import_module("diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus")
    for name in ("VAE_IMAGE_SIZE", "CONDITION_IMAGE_SIZE"):
        monkeypatch.setattr(edit_plus, name, 64 * 64)
    qwen_image_21 = import_module("diffusers.pipelines.qwenimage21.pipeline_qwenimage21")
    monkeypatch.setattr(qwen_image_21, "calculate_dimensions", lambda *_: (64, 64, None))
    kontext = import_module("diffusers.pipelines.flux.pipeline_flux_kontext")
    monkeypatch.setattr(kontext, "PREFERRED_KONTEXT_RESOLUTIONS", [(64, 64)])
    joy_image = import_module("diffusers.pipelines.joyimage.image_processor")
    monkeypatch.setitem(joy_image.BUCKETS, 1024, [(64, 64)])


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Write the tiny pipeline of a class, once."""

    @cache
    def write(kind: str) -> Path:
        torch.manual_seed(0)
        return (WRITERS | tiny_picture_pipelines.WRITERS)[kind](tmp_path_factory.mktemp("tiny") / kind)

    return write


def describe(path: Path, **settings: Any) -> Described:
    """Check a card's settings for a folder, and complete them."""
    chosen = Settings.model_validate({"num_inference_steps": 1, **settings})
    any_pipeline.check({"pipeline": path}, chosen)
    return any_pipeline.describe({"pipeline": path}, chosen)


def load(path: Path, **settings: Any) -> Any:
    """Load the pipeline of a folder as a run does, with settings that are complete."""
    known = describe(path, **settings)
    return any_pipeline.load({"pipeline": path}, Settings.model_validate(dict(known.settings)), "cpu")


def paint(model: Any, *segments: Any, seed: int = 1) -> tuple[bytes, bool]:
    """The pixels of a picture, and whether it says that its prompt was cut."""
    (picture,) = model.generate_images([Prompt(segments)], [[Noise(seed)]])[0]
    return np.asarray(picture.image).tobytes(), picture.truncated
