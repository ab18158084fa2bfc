"""GILL and Stable Diffusion through the whole harness, on the embedded weights."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from gill_bench.evaluate import Outcome
from gill_bench.rundir.load_units import read_samples
from gill_bench.storage.images import load_image
from tests.support.cli import start_command
from tests.support.runs import run, tree, wait_for_units
from tests.support.stories import small_vist

MODELS = ("gill", "stable-diffusion")
LIMIT, SEEDS = 4, 2
SETTINGS = tuple(f"{model}.num_inference_steps=4" for model in MODELS)


def real(out: Path, **changes: object) -> Outcome:
    torch.set_num_threads(1)
    return run(out, models=MODELS, limit=LIMIT, seeds=SEEDS, card_folders=(), settings=SETTINGS, **changes)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("real") / "run"
    assert real(out).complete
    return out


def samples(out: Path) -> dict[str, np.ndarray]:
    return {
        "/".join([*commit.parts[-5:-2], sample.example, str(sample.seed)]): np.asarray(
            load_image(commit.parent / sample.image), dtype=np.int16
        )
        for commit in out.glob("units/*/*/*/*/unit.json")
        for sample in read_samples(commit.parent)
    }


def test_every_cell_of_table_1_is_there(whole: Path) -> None:
    pictures = samples(whole)
    cells = {tuple(name.split("/")[1:3]) for name in pictures}
    assert cells == {
        ("gill", "1-caption"),
        ("gill", "5-captions"),
        ("gill", "5-captions-4-images"),
        ("stable-diffusion", "1-caption"),
        ("stable-diffusion", "5-captions"),
    }
    assert len(pictures) == len(cells) * LIMIT * SEEDS
    assert {picture.shape for picture in pictures.values()} == {(32, 32, 3)}


def test_seeds_stories_and_contexts_give_different_pictures(whole: Path) -> None:
    distinct = {picture.tobytes() for picture in samples(whole).values()}
    # Two stories of one photo sequence may end in equal words, so that a text-only prompt of theirs is the same.
    assert len(distinct) > 0.8 * len(samples(whole))


@pytest.mark.parametrize("batch_size", [pytest.param(2, marks=pytest.mark.slow), 3])
def test_pictures_of_batches_agree_to_a_grey_level(tmp_path: Path, whole: Path, batch_size: int) -> None:
    real(tmp_path / "run", batch_size=batch_size)
    together, in_batches = samples(whole), samples(tmp_path / "run")
    assert together.keys() == in_batches.keys()
    for name, picture in together.items():
        difference = np.abs(picture - in_batches[name])
        assert difference.max() <= 2, name  # grey levels, of 255: float rounding, then rounding to 8 bits
        assert difference.mean() < 0.05, name


@pytest.mark.slow
def test_a_killed_run_of_the_real_adapters_resumes_to_the_same_bytes(tmp_path: Path, whole: Path) -> None:
    out = tmp_path / "run"
    words: list[str | Path] = ["run", "vist", "--models", ",".join(MODELS), "--out", out]
    words += ["--limit", str(LIMIT), "--seeds", str(SEEDS), "--data", small_vist(), "--split", "test"]
    words += [word for setting in SETTINGS for word in ("--set", setting)]
    process = start_command(*words, "--device", "cpu")
    wait_for_units(out, 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert real(out).complete
    assert tree(out) == tree(whole)


def test_gill_runs_on_the_published_slice_of_vist(tmp_path: Path, real_data: Path) -> None:
    outcome = run(
        tmp_path / "run",
        models=("gill",),
        contexts=("5-captions-4-images",),
        limit=5,
        seeds=1,
        data=str(real_data / "vist"),
        split="test",
        card_folders=(),
        settings=SETTINGS[:1],
    )
    assert {(row.n_expected, row.n_scored) for row in outcome.results.rows} == {(5, 5)}
    # Stories 1 to 5 of the slice share photo sequences; each keeps its own output.
    assert len({picture.tobytes() for picture in samples(tmp_path / "run").values()}) == 5
