"""Cards of eight lines through `gill-bench run` and `gill-bench doctor`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards
from gill_bench.cli import main
from gill_bench.models import check_settings
from tests.support.stories import small_vist

CARD = """schema = 1
name = "{name}"
title = "{name}"
adapter = "diffusers"
capabilities = ["image-generator"]
inputs = ["text", "image"]
[weights.pipeline]
folder = "{kind}"
[settings]
num_inference_steps = 1
height = 32
width = 32
"""


def card(tmp_path: Path, name: str, kind: str, folder: Callable[[str], Path]) -> str:
    weights = tmp_path / "weights"
    weights.mkdir(exist_ok=True)
    (weights / kind).symlink_to(folder(kind))
    (tmp_path / f"{name}.toml").write_text(CARD.format(name=name, kind=kind))
    return str(tmp_path / f"{name}.toml")


def run(tmp_path: Path, models: list[str], *words: str) -> list[dict[str, Any]]:
    out = tmp_path / "run"
    data = ["--data", str(small_vist()), "--split", "test", "--metric-weights", "mini", "--device", "cpu"]
    limits = ["--limit", "1", "--seeds", "1", "--workers", "1", "--threads", "1"]
    contexts = ["--contexts", "1-caption,2-captions-1-image"]
    command = ["run", "vist", "--weights", str(tmp_path / "weights"), "--models", ",".join(models), "--out", str(out)]
    assert main([*command, *data, *limits, *contexts, *words]) == 0
    rows: list[dict[str, Any]] = json.loads((out / "results.json").read_text())["rows"]
    return rows


def test_a_run_says_how_pictures_were_read(
    tmp_path: Path, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    models = [
        card(tmp_path, "kontext", "FluxKontextPipeline", folder),
        card(tmp_path, "edit-plus", "QwenImageEditPlusPipeline", folder),
    ]
    rows = run(tmp_path, models, "--set", "kontext.offload=model")
    contexts = {(row["model"], row["context"]) for row in rows}
    both = "2-captions-1-image"
    assert contexts == {("kontext", "1-caption"), ("kontext", both), ("edit-plus", both)}
    signatures = {row["model"]: row["model_signature"].split("|") for row in rows}
    for name, fields in {
        "kontext": ("adapter:diffusers", "class:FluxKontextPipeline", "guidance_scale:3.5", "images:last"),
        "edit-plus": ("class:QwenImageEditPlusPipeline", "images:list", "needs:picture", "files:float32"),
    }.items():
        every = {*fields, "height:32", "width:32", "num_inference_steps:1", "prompt.picture_size:0"}
        assert every - set(signatures[name]) == set()
        assert not any(field.startswith("offload") for field in signatures[name])
    capsys.readouterr()
    assert main(["report", str(tmp_path / "run")]) == 0
    shown = capsys.readouterr().out
    assert "kontext: of the pictures of a prompt, only the last was read" in shown


@pytest.mark.slow
def test_the_doctor_asks_a_model_that_needs_pictures_with_pictures(
    tmp_path: Path, folder: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = card(tmp_path, "edit-plus", "QwenImageEditPlusPipeline", folder)
    weights = ["--weights", str(tmp_path / "weights"), "--device", "cpu"]
    assert main(["doctor", path, *weights]) == 0, capsys.readouterr().out
    assert "FAIL" not in capsys.readouterr().out


def test_the_cards_of_todays_models_have_settings_of_the_adapter() -> None:
    cards = [model for model in Cards().models() if model.adapter == "diffusers"]
    assert {model.name for model in cards} >= {
        *("sdxl", "sd-3.5", "flux-1-dev", "flux-kontext", "flux-2-dev", "flux-2-klein", "qwen-image"),
        *("qwen-image-edit-plus", "z-image-turbo", "sana", "omnigen", "glm-image"),
    }
    for model in cards:
        check_settings(model)
        (component,) = model.weights.values()
        assert component.id
        assert component.licence
        text = (Path(model.home) / f"{model.name}.toml").read_text()
        assert "Not verified without the hub" in text
