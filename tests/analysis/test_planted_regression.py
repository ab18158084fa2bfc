"""A model that lost something is caught, and the same model with other seeds is not: GILL on the embedded weights."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from gill_bench.analysis.golden import RegressionVerdict, check, golden_of
from gill_bench.evaluate import execute
from gill_bench.planning.plan import make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.rows import Results

STORIES, SEEDS, RERUNS = 16, 1, 2
NOISE = 1.0  # of the standard deviation of each of the mapper's weights
# The copy of the embedded weights is sampled as they are, not as GILL's.
MINI_SETTINGS = (
    "gill.squash_size=32",
    "gill.num_inference_steps=4",
    "gill.guidance_scale=1.5",
    "gill.safety_checker=false",
)
NAMES = {
    "gill-mini": "gill_opt",
    "opt-mini": "opt-6.7b",
    "clip-mini": "clip-vit-large-patch14",
    "sd-mini": "stable-diffusion-v1-5",
}


def evaluate(out: Path, seeds: int, weights: str = "mini") -> RunReader:
    torch.set_num_threads(1)
    ask = RunRequest(
        tasks=("vist",),
        out=out,
        models=("gill",),
        contexts=("5-captions-4-images",),
        seeds=seeds,
        limit=STORIES,
        weights=weights,
        metric_weights="mini",
        settings=MINI_SETTINGS,
        device="cpu",
    )
    execute(make_plan(ask))
    return RunReader.open(out)


def with_seeds(run: RunReader, first: int) -> RunReader:
    """The run as if only some of its seeds had been requested."""
    kept = tuple(row for row in run.results.rows if first <= row.seed < first + SEEDS)
    return RunReader(run.folder, Results(kept), run.spec)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> RunReader:
    return evaluate(tmp_path_factory.mktemp("good") / "run", SEEDS * (1 + RERUNS))


def noisy_mapper(folder: Path, mini_weights: Path) -> Path:
    """A copy of the embedded weights with noise on the mapper of the generation tokens, and on nothing else."""
    for name, real in NAMES.items():
        shutil.copytree(mini_weights / name, folder / real)
    file = folder / "gill_opt" / "pretrained_ckpt.safetensors"
    generator = torch.Generator().manual_seed(0)
    weights = load_file(file)
    for name in sorted(weights):
        if name.startswith("model.gen_text_hidden_fcs.") and weights[name].ndim == 2:
            value = weights[name]
            weights[name] = value + NOISE * value.std() * torch.randn(value.shape, generator=generator)
    save_file(weights, file)
    return folder


def states(verdicts: list[RegressionVerdict]) -> dict[str, str]:
    return {verdict.name.rpartition("/")[2]: verdict.state for verdict in verdicts}


def test_noise_on_the_mapper_is_caught(tmp_path: Path, good: RunReader, mini_weights: Path) -> None:
    golden = golden_of(with_seeds(good, 0))["numbers"]
    worse = evaluate(tmp_path / "run", SEEDS, str(noisy_mapper(tmp_path / "weights", mini_weights)))
    verdicts = check(worse, golden)
    assert states(verdicts)["clip-similarity[mini]"] == "regression", verdicts
    assert all(row.model_signature != good.results.rows[0].model_signature for row in worse.results.rows)


@pytest.mark.parametrize("rerun", range(1, RERUNS + 1))
def test_other_seeds_of_the_same_model_are_not_reported(good: RunReader, rerun: int) -> None:
    golden = golden_of(with_seeds(good, 0))["numbers"]
    again = with_seeds(good, SEEDS * rerun)
    verdicts = check(again, golden)
    assert set(states(verdicts).values()) == {"ok"}, verdicts
    assert all(verdict.was != verdict.now for verdict in verdicts)  # they are other numbers


def test_a_loss_within_the_tolerance_is_no_regression(good: RunReader) -> None:
    number = golden_of(with_seeds(good, 0))["numbers"][0]
    sign = 1 if number["higher_is_better"] else -1
    better = {**number, "examples": {name: [value + sign * 0.2, c] for name, (value, c) in number["examples"].items()}}
    again = with_seeds(good, 0)
    assert [verdict.state for verdict in check(again, [better])] == ["regression"]
    assert [verdict.state for verdict in check(again, [better], 0.25)] == ["ok"]
