"""Vision-language models in runs of the mini world's tasks, and before the doctor."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from gill_bench.cards.find import Cards
from gill_bench.checks.doctor import examine
from gill_bench.cli import main
from gill_bench.models import image_text_to_text as adapter
from gill_bench.models.image_text_to_text import Settings

RUN = ("qwen2.5-vl", "idefics3", "blip-2")
EXAMINED = ("qwen3-vl", "paligemma", "git")
CARD = """schema = 1
name = "{name}"
title = "{name}"
adapter = "image-text-to-text"
capabilities = ["text-generator", "text-scorer"]
inputs = ["text", "image"]
[weights.network]
folder = "{name}"
"""


def card(name: str, folder: Path) -> str:
    file = folder / f"{name}.toml"
    file.write_text(CARD.format(name=name))
    return str(file)


def test_vision_language_models_run_the_tasks_of_texts(vision_language: Callable[[str], Path], tmp_path: Path) -> None:
    weights = {str(vision_language(name).parent) for name in RUN}
    cards = ",".join(card(name, tmp_path) for name in RUN)
    options = ["--data", "mini", "--weights", *weights, "--limit", "1", "--seeds", "1", "--device", "cpu"]
    setting = "vqav2.question_prompt={} Answer with one word."
    tasks = ["run", "vqav2", "coco-captions", "--models", cards, *options, "--set", setting]
    assert main([*tasks, "--out", str(tmp_path / "run")]) == 0
    answers = ["run", "visdial-answers", "--models", str(tmp_path / "blip-2.toml"), *options]
    assert main([*answers, "--out", str(tmp_path / "answers")]) == 0
    expected = (("run", {*RUN}, "vqa-accuracy"), ("run", {*RUN}, "bleu-4"), ("answers", {"blip-2"}, "mrr"))
    for folder, models, metric in expected:
        rows = json.loads((tmp_path / folder / "results.json").read_text())["rows"]
        named = [row for row in rows if row["metric"] == metric]
        assert {row["model"] for row in named} == models, metric
        assert all(row["n_scored"] == 1 and row["n_failed"] == 0 for row in named)


@pytest.mark.parametrize("name", EXAMINED)
def test_the_doctor_passes_vision_language_models(
    name: str, vision_language: Callable[[str], Path], tmp_path: Path
) -> None:
    model = adapter.load({"network": vision_language(name)}, Settings(), "cpu")
    findings = list(examine(model, Cards().model(card(name, tmp_path))))
    assert [finding for finding in findings if not finding.passed] == []
    assert len(findings) == 16
