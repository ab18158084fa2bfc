"""The small checkpoints with random values that tests of loaders and networks use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gill_bench.interfaces import Noise
from gill_bench.mini.scene import Scene, Thing
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.prompt import Prompt
from gill_bench.storage.digests import digest_file
from tests.conftest import ROOT
from tests.support.mini import digests
from tests.support.random_weights import build_clip, build_gill, build_opt, build_sd


def build(folder: Path) -> Path:
    rows = build_opt(folder / "opt-mini")
    build_clip(folder / "clip-mini")
    build_sd(folder / "sd-mini")
    build_gill(folder / "gill-mini", rows)
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("built") / "weights")


def test_random_weights_of_a_seed_have_the_same_bytes(built: Path, tmp_path: Path) -> None:
    assert digests(build(tmp_path / "again")) == digests(built)


def test_random_weights_of_another_seed_differ(built: Path, tmp_path: Path) -> None:
    build_clip(tmp_path / "clip-mini", seed=1)
    file = "clip-mini/model.safetensors"
    assert digest_file(tmp_path / file) != digest_file(built / file)


@pytest.mark.slow
def test_random_weights_have_the_same_bytes_in_another_process(built: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from tests.support.random_weights import build_gill, build_opt;"
        "f = pathlib.Path(sys.argv[1]); build_gill(f / 'gill-mini', build_opt(f / 'opt-mini'))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, cwd=ROOT)
    assert digests(tmp_path) == {k: v for k, v in digests(built).items() if k.startswith(("gill", "opt"))}


def test_random_weights_name_no_path_of_this_machine(built: Path) -> None:
    for file in built.rglob("*.json"):
        assert str(built.parent) not in file.read_text()
        assert "/tmp" not in file.read_text()


def test_outputs_of_random_weights_differ_visibly(built: Path) -> None:
    settings = Settings(squash_size=32, num_inference_steps=20, safety_checker=False)
    gill = Gill.from_pretrained(built / "gill-mini", image_decoder=built / "sd-mini", settings=settings)
    scenes = [
        Scene("snow", Thing("circle", "red", "large", "top")),
        Scene("night", Thing("square", "blue", "small", "left")),
        Scene("grass", Thing("ring", "pink", "large", "middle")),
    ]
    images = [scene.render() for scene in scenes]
    embeddings = gill.embed_images(images)
    assert (embeddings @ embeddings.T)[np.triu_indices(3, 1)].max() < 0.98
    prompts = [Prompt((f"a {scene.thing.name} is at the {scene.thing.position} .",)) for scene in scenes]
    prompts += [Prompt((image,)) for image in images]
    vectors = gill.conditioning(prompts).flatten(1).numpy()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (vectors @ vectors.T)[np.triu_indices(6, 1)].max() < 0.995
    groups = gill.generate_images(prompts, [[Noise(5)]] * 6)
    arrays = np.stack([np.asarray(group[0].image, dtype=float) for group in groups])
    assert arrays.std() > 30
    distances = np.abs(arrays[:, None] - arrays[None]).mean(axis=(2, 3, 4))
    assert distances[np.triu_indices(6, 1)].min() > 3
