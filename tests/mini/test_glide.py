"""The shipped GLIDE: whole, small, and better than chance; and what it is trained with."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import torch

from gill_bench.interfaces import Noise
from gill_bench.metrics.backbones.clip import load_clip
from gill_bench.mini.embedded import weights_folder
from gill_bench.mini.grammar import caption, describe, double_scene, sequence
from gill_bench.mini.train.glide import CONTEXT, STEPS, variance_loss, write_words
from gill_bench.models.glide import Settings, check, load
from gill_bench.models.glide.schedule import TRAINED, squared_cosine
from gill_bench.models.glide.tokenizer import GlideTokenizer
from gill_bench.prompt import Prompt
from gill_bench.weights.find import MARK

BYTES = 1_700_000
COUNT = 32
# CLIP-mini similarity of pictures of full captions to the true pictures, and to those of other scenes.
SIMILARITY, OTHERS = 0.89, 0.22
TOLERANCE = 0.05
FOLDER = weights_folder() / "glide-mini"
PARTS = {"checkpoint": FOLDER, "tokenizer": FOLDER}


def test_the_shipped_glide_is_small_marked_and_checked() -> None:
    names = [MARK, "base.safetensors", "glide.json", "merges.txt", "upsample.safetensors", "vocab.json"]
    assert sorted(file.name for file in FOLDER.iterdir()) == sorted(names)
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < BYTES
    check(PARTS, Settings())


def test_pictures_of_full_captions_are_as_right_as_was_measured() -> None:
    rng = random.Random("glide-mini")
    scenes = [sequence(rng, "val")[0] for _ in range(COUNT)]
    model = load(PARTS, Settings(base_steps=10, upsample_steps=8), "cpu")
    groups = model.generate_images(
        [Prompt((describe(scene),)) for scene in scenes], [[Noise(seed)] for seed in range(COUNT)]
    )
    metric = load_clip(weights_folder() / "clip-mini", features="projected", dtype="float32", device="cpu")
    generated = metric.features([group[0].image for group in groups])
    true = metric.features([scene.render() for scene in scenes])
    assert float(metric.compare(generated, true).mean()) == pytest.approx(SIMILARITY, abs=TOLERANCE)
    assert float(metric.compare(generated, [rows.roll(1, 0) for rows in true]).mean()) == pytest.approx(
        OTHERS, abs=TOLERANCE
    )


@pytest.mark.slow
def test_the_shipped_words_are_those_that_a_training_learns(tmp_path: Path) -> None:
    assert write_words(tmp_path, seed=0) == len(json.loads((FOLDER / "vocab.json").read_text()))
    for name in ("vocab.json", "merges.txt"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_the_shipped_glide_reads_every_caption_whole() -> None:
    vocabulary = len(json.loads((FOLDER / "vocab.json").read_text()))
    words = GlideTokenizer(FOLDER, CONTEXT, vocabulary - 1)
    rng = random.Random("glide-mini words")
    texts = [caption(double_scene(rng, "test"), rng) for _ in range(100)]
    tokens = words(texts)
    assert not any(tokens.truncated)
    # Every word of a caption is one token.
    assert [int(row.sum()) for row in tokens.mask] == [len(text.split()) for text in texts]


def test_characters_that_glides_tokenizer_does_not_know_are_left_out() -> None:
    words = GlideTokenizer(FOLDER, CONTEXT, 0)
    assert words(["a caf\u00e9 on snow"]).ids.tolist() == words(["a caf on snow"]).ids.tolist()


def test_the_variance_is_best_where_it_is_true() -> None:
    signals = torch.tensor(squared_cosine(), dtype=torch.float64)
    times = torch.tensor([TRAINED // STEPS, 300, 700, 999])
    exact = torch.zeros(4, 3, 2, 2)

    def loss(square: torch.Tensor, fraction: float) -> float:
        return float(variance_loss(signals, times, square, torch.full((4, 3, 2, 2), fraction)))

    assert loss(exact, -1.0) == pytest.approx(0.0, abs=1e-6)
    assert loss(exact, -1.0) < loss(exact, 0.0) < loss(exact, 1.0)
    assert loss(exact + 1.0, 0.0) < loss(exact + 1.0, -1.0), "an uncertain prediction needs more noise"


def test_the_variance_of_the_last_step_does_not_count() -> None:
    signals = torch.tensor(squared_cosine(), dtype=torch.float64)
    fractions = torch.zeros(2, 3, 2, 2, requires_grad=True)
    loss = variance_loss(signals, torch.tensor([0, TRAINED // STEPS - 1]), torch.ones(2, 3, 2, 2), fractions)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0.0
    assert fractions.grad is not None
    assert bool((fractions.grad == 0).all())
