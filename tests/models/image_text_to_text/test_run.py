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
EXAMINED = (*(pytest.param(name, marks=pytest.mark.slow) for name in ("qwen3-vl", "paligemma")), "git")
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


@pytest.mark.parametrize(
    ("task", "models", "metric", "settings"),
    [
        ("vqav2", RUN, "vqa-accuracy", ("--set", "vqav2.question_prompt={} Answer with one word.")),
        ("visdial-answers", ("blip-2",), "mrr", ()),
        pytest.param("coco-captions", RUN, "bleu-4", (), marks=pytest.mark.slow),  # METEOR takes long to start
    ],
)
def test_vision_language_models_run_the_tasks_of_texts(
    vision_language: Callable[[str], Path],
    tmp_path: Path,
    task: str,
    models: tuple[str, ...],
    metric: str,
    settings: tuple[str, ...],
) -> None:
    weights = {str(vision_language(name).parent) for name in models}
    words = ["run", task, "--models", ",".join(card(name, tmp_path) for name in models), "--data", "mini"]
    words += ["--weights", *weights, "--limit", "1", "--seeds", "1", "--device", "cpu", *settings]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    rows = json.loads((tmp_path / "run" / "results.json").read_text())["rows"]
    named = [row for row in rows if row["metric"] == metric]
    assert {row["model"] for row in named} == {*models}
    assert all(row["n_scored"] == 1 and row["n_failed"] == 0 for row in named)


@pytest.mark.parametrize("name", EXAMINED)
def test_the_doctor_passes_vision_language_models(
    name: str, vision_language: Callable[[str], Path], tmp_path: Path
) -> None:
    model = adapter.load({"network": vision_language(name)}, Settings(), "cpu")
    findings = list(examine(model, Cards().model(card(name, tmp_path))))
    assert [finding for finding in findings if not finding.passed] == []
    assert len(findings) == 16
