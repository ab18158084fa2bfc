from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gill_bench.errors import InputError
from gill_bench.interfaces import Noise
from gill_bench.mini.build import build_clip, build_gill, build_opt, build_sd, build_weights
from gill_bench.mini.scene import Scene, Thing
from gill_bench.models.gill import Settings
from gill_bench.models.gill.model import Gill
from gill_bench.prompt import Prompt
from gill_bench.storage.digests import digest_file
from gill_bench.weights.find import MARK
from tests.support.mini import digests

NAMES = ["clip-mini", "gill-mini", "lpips-mini", "opt-mini", "sd-mini"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "weights"
    build_weights(folder)
    return folder


def test_same_seed_same_bytes(built: Path, tmp_path: Path) -> None:
    build_weights(tmp_path / "again")
    assert sorted(path.name for path in (tmp_path / "again").iterdir()) == NAMES
    assert digests(tmp_path / "again") == digests(built)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


def test_other_seed_other_values(built: Path, tmp_path: Path) -> None:
    build_clip(tmp_path / "clip-mini", seed=1)
    file = "clip-mini/model.safetensors"
    assert digest_file(tmp_path / file) != digest_file(built / file)


def test_same_bytes_in_another_process(built: Path, tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from gill_bench.mini.build import build_gill, build_opt;"
        "f = pathlib.Path(sys.argv[1]); build_gill(f / 'gill-mini', build_opt(f / 'opt-mini'))"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True)
    expected = {name: value for name, value in digests(built).items() if not name.endswith(MARK)}
    assert digests(tmp_path) == {name: value for name, value in expected.items() if name.startswith(("gill", "opt"))}


def test_no_path_of_this_machine(built: Path) -> None:
    for file in built.rglob("*.json"):
        assert str(built.parent) not in file.read_text()
        assert "/tmp" not in file.read_text()


def test_a_folder_that_is_not_empty(tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(InputError, match="exists already"):
        build_weights(tmp_path)


def test_a_build_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gill_bench.mini.build.build_sd", full)
    with pytest.raises(OSError, match="No space"):
        build_weights(tmp_path / "weights")
    assert list(tmp_path.iterdir()) == []


def test_another_process_may_be_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def meanwhile(*_: object) -> None:
        (tmp_path / "weights").mkdir()
        (tmp_path / "weights" / "theirs").touch()

    for name in ("build_clip", "build_sd", "build_gill"):
        monkeypatch.setattr(f"gill_bench.mini.build.{name}", lambda *_: None)
    monkeypatch.setattr("gill_bench.metrics.lpips.build_mini", meanwhile)
    build_weights(tmp_path / "weights")
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
    assert (tmp_path / "weights" / "theirs").exists()


def test_outputs_differ_visibly(tmp_path: Path) -> None:
    rows = build_opt(tmp_path / "opt-mini")
    build_clip(tmp_path / "clip-mini")
    build_sd(tmp_path / "sd-mini")
    build_gill(tmp_path / "gill-mini", rows)
    settings = Settings(squash_size=32, num_inference_steps=20, safety_checker=False)
    gill = Gill.from_pretrained(tmp_path / "gill-mini", image_decoder=tmp_path / "sd-mini", settings=settings)
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
