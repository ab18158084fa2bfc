"""The shipped weights: small, whole, in the official layouts, and good at what the model card says."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from gill_bench.interfaces import Noise
from gill_bench.metrics.backbones.clip import load_clip
from gill_bench.mini.embedded import weights_folder
from gill_bench.mini.grammar import describe, sequence, story
from gill_bench.mini.scene import BACKGROUNDS, COLOURS, Scene
from gill_bench.mini.train.ship import LIMIT
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.prompt import Prompt
from gill_bench.weights.checkpoints import quiet_loading

SETTINGS = Settings(squash_size=32, num_inference_steps=20, guidance_scale=2.0, safety_checker=False)


@pytest.fixture(scope="module")
def gill() -> Gill:
    weights = weights_folder()
    with quiet_loading():
        return Gill.from_pretrained(weights / "gill-mini", image_decoder=weights / "sd-mini", settings=SETTINGS)


def test_the_shipped_weights_are_small_and_in_half_precision() -> None:
    files = [file for file in weights_folder().rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) < LIMIT
    for file in files:
        if file.suffix == ".safetensors":
            with safe_open(file, framework="pt") as opened:
                kinds = {opened.get_tensor(key).dtype for key in opened.keys() if "position_ids" not in key}  # noqa: SIM118
            assert kinds == {torch.float16}, file


def test_no_shipped_file_names_a_folder_of_a_machine() -> None:
    for file in weights_folder().rglob("*.json"):
        content = file.read_text(encoding="utf-8")
        assert not any(folder in content for folder in ("/tmp", "/home", "/root", "/work")), file


def test_every_variant_of_gill_loads() -> None:
    for folder in sorted(weights_folder().glob("gill-mini*")):
        arguments = json.loads((folder / "model_args.json").read_text())
        with quiet_loading():
            model = Gill.from_pretrained(folder, settings=SETTINGS)
        vectors = model.condition(model.image_token_states([Prompt(("it is at the top .",))]))
        assert vectors.shape[2] == 128, folder
        assert model.heads.sizes.num_tokens == arguments["num_tokens"]


def test_captions_tell_the_conditioning_the_colour_and_pictures_the_background(gill: Gill) -> None:
    """Which of several descriptions, with another colour or background, has the text encoder's nearest embedding."""
    rng = random.Random("conditioning")
    sequences = [sequence(rng, "val") for _ in range(16)]
    texts = [story(scenes, rng) for scenes in sequences]
    interleaved = []
    for scenes, captions in zip(sequences, texts, strict=True):
        shown = zip(captions[:-1], scenes[:-1], strict=True)
        interleaved.append(Prompt((*(part for text, scene in shown for part in (text, scene.render())), captions[-1])))
    last_caption = gill.conditioning([Prompt((captions[-1],)) for captions in texts])
    all_captions = gill.conditioning([Prompt((" ".join(captions),)) for captions in texts])
    last = [scenes[-1] for scenes in sequences]
    colours = [
        [scene, *(replace(scene, thing=replace(scene.thing, colour=name)) for name in COLOURS)] for scene in last
    ]
    backgrounds = [[scene, *(replace(scene, background=name) for name in BACKGROUNDS)] for scene in last]
    assert right(gill, last_caption, colours) < 0.5 < 0.9 <= right(gill, all_captions, colours)
    with_pictures = gill.conditioning(interleaved)
    assert right(gill, all_captions, backgrounds) < 0.5 < 0.9 <= right(gill, with_pictures, backgrounds)


def right(gill: Gill, conditioning: torch.Tensor, scenes: list[list[Scene]]) -> float:
    """The share of rows of the conditioning whose nearest description is as good as that of the first scene."""
    pipeline = gill.pipeline
    assert pipeline is not None
    hits = 0
    for row, candidates in zip(conditioning, scenes, strict=True):
        texts = [describe(scene) for scene in candidates]
        ids = pipeline.tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            distances = (pipeline.text_encoder(ids)[0] - row).norm(dim=-1).mean(dim=-1)
        hits += candidates[int(distances.argmin())] == candidates[0]
    return hits / len(scenes)


def test_pictures_of_full_captions_are_right(gill: Gill) -> None:
    rng = random.Random("pictures")
    scenes = [sequence(rng, "val")[0] for _ in range(8)]
    groups = gill.generate_images(
        [Prompt((describe(scene),)) for scene in scenes], [[Noise(seed)] for seed in range(8)]
    )
    metric = load_clip(Path(weights_folder() / "clip-mini"), features="projected", dtype="float32", device="cpu")
    generated = metric.features([group[0].image for group in groups])
    true = metric.features([scene.render() for scene in scenes])
    assert float(metric.compare(generated, true).mean()) > 0.8
