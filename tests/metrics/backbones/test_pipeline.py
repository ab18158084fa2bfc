"""From files to features and distances, against the folder pipelines of clean-fid and torch-fidelity."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cleanfid.fid
import numpy as np
import pytest
import torch
import torch_fidelity
from numpy.typing import NDArray
from PIL import Image
from torch_fidelity.feature_extractor_base import FeatureExtractorBase

from gill_bench.errors import GillBenchError, InputError
from gill_bench.metrics.backbones import pipeline
from gill_bench.metrics.backbones.features import FeatureExtractor
from gill_bench.metrics.backbones.inception import Inception
from gill_bench.metrics.backbones.inception_files import Mode
from gill_bench.metrics.backbones.pipeline import features_of
from gill_bench.metrics.backbones.prepare import preparation
from gill_bench.metrics.functional.frechet import FeatureStatistics, frechet_distance
from gill_bench.storage import read_ahead
from gill_bench.storage.images import load_image
from tests.support.fid_budgets import FLOAT32_MEANS
from tests.support.fid_networks import Grid, grid, write_pictures

PATIENCE = 300.0  # seconds after which what was waited for will not happen


def statistics_of(folder: Path, network: FeatureExtractor) -> FeatureStatistics:
    return FeatureStatistics.of(features_of(sorted(folder.iterdir()), network))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    base = tmp_path_factory.mktemp("fid")
    write_pictures(base / "one", 90, seed=1)
    write_pictures(base / "other", 80, seed=2)
    return base / "one", base / "other"


class Shown:
    """Grid features of the pixels that a mode of Inception gives its network."""

    name, dim = "shown", 48

    def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        seen: list[torch.Tensor] = []

        def network(batch: torch.Tensor) -> torch.Tensor:
            seen.append(grid(batch))
            return torch.zeros(len(batch), 2048)

        Inception(network, "clean", "cpu")(images)
        return torch.cat(seen).numpy()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_clean_fid_on_the_same_folders(folders: tuple[Path, Path]) -> None:
    clean_fid_distance = cleanfid.fid.compute_fid(
        *map(str, folders),
        custom_feat_extractor=lambda batch: grid(batch),
        device=torch.device("cpu"),
        num_workers=0,
        verbose=False,
    )
    first, second = (statistics_of(folder, Shown()) for folder in folders)
    assert clean_fid_distance > 0.01
    assert frechet_distance(first, second) == pytest.approx(clean_fid_distance, rel=FLOAT32_MEANS)


class Fidelity(FeatureExtractorBase):  # type: ignore[misc]
    def __init__(self, name: str, features_list: list[str], **_: object) -> None:
        super().__init__(name, features_list)

    @staticmethod
    def get_provided_features_list() -> tuple[str, ...]:
        return ("grid",)

    @staticmethod
    def get_default_feature_layer_for_metric(metric: str) -> str:
        return "grid"

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (grid(pixels.float()),)


def test_torch_fidelity_on_the_same_folders(folders: tuple[Path, Path]) -> None:
    torch_fidelity.register_feature_extractor("grid", Fidelity)
    fidelity_distance = torch_fidelity.calculate_metrics(
        input1=str(folders[0]),
        input2=str(folders[1]),
        fid=True,
        feature_extractor="grid",
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )["frechet_inception_distance"]
    first, second = (statistics_of(folder, Grid()) for folder in folders)
    assert frechet_distance(first, second) == pytest.approx(fidelity_distance, rel=FLOAT32_MEANS)


def test_features_are_in_the_order_of_the_files_whatever_the_batches(folders: tuple[Path, Path]) -> None:
    files = sorted(folders[0].iterdir())
    expected = np.concatenate([Grid()([load_image(file)]) for file in files])
    assert np.array_equal(features_of(files, Grid()), expected)
    assert np.array_equal(features_of(files[::-1], Grid()), expected[::-1])
    # The first pictures take longest, and are still first.
    delayed = iter(range(2))

    def prepare(image: Image.Image) -> Image.Image:
        if next(delayed, None) is not None:
            time.sleep(0.05)
        return image

    assert np.array_equal(features_of(files, Grid(), prepare), expected)


def test_statistics_are_those_of_the_features(folders: tuple[Path, Path]) -> None:
    files = sorted(folders[0].iterdir())
    streamed, kept = statistics_of(folders[0], Grid()), features_of(files, Grid()).astype(np.float64)
    assert streamed.n == len(files)
    assert streamed.mean == pytest.approx(kept.mean(axis=0), rel=1e-12)
    factor, _ = streamed.factor()
    assert factor.T @ factor == pytest.approx(np.cov(kept, rowvar=False), abs=1e-12)


def test_preparation_is_what_the_network_sees(folders: tuple[Path, Path]) -> None:
    sizes: set[tuple[int, int]] = set()

    class Looking(Grid):
        def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
            sizes.update(image.size for image in images)
            return super().__call__(images)

    features_of(sorted(folders[0].iterdir())[:5], Looking(), preparation("bicubic-256"))
    assert sizes == {(256, 256)}


@pytest.mark.parametrize("mode", ["legacy_pytorch", "clean", "legacy_tensorflow"])
def test_pictures_are_resized_beside_the_network(
    folders: tuple[Path, Path], mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "usable_processors", lambda: 2)
    threads: set[threading.Thread] = set()

    def network(batch: torch.Tensor) -> torch.Tensor:
        return batch.mean(dim=(2, 3)).repeat(1, 1 + 2048 // 3)[:, :2048]

    class Resizing(Inception):
        def pixels(self, image: Image.Image) -> torch.Tensor:
            threads.add(threading.current_thread())
            return super().pixels(image)

    files = sorted(folders[0].iterdir())[:40]
    features = features_of(files, Resizing(network, mode, "cpu"))
    assert threads
    assert threading.current_thread() not in threads
    whole = [Inception(network, mode, "cpu")([load_image(file) for file in part]) for part in (files[:32], files[32:])]
    assert np.array_equal(features, np.concatenate(whole))


@pytest.mark.parametrize("damage", ["missing", "no picture", "cut off"])
def test_an_unreadable_file_is_named_and_the_rest_is_not_read(tmp_path: Path, damage: str) -> None:
    files = write_pictures(tmp_path, 200)
    bad = files[2]
    content = bad.read_bytes()
    if damage == "missing":
        bad.unlink()
    else:
        bad.write_bytes(b"nonsense" if damage == "no picture" else content[: len(content) // 2])
    read: list[int] = []

    def prepare(image: Image.Image) -> Image.Image:
        read.append(1)
        return image

    before = set(threading.enumerate())  # an error in another test may keep its threads until memory is tidied
    with pytest.raises(InputError, match=rf"^{bad}: .*; a distance needs every picture"):
        features_of(files, Grid(), prepare)
    assert len(read) < 100
    assert not [new for new in set(threading.enumerate()) - before if new.name.startswith("read-ahead")]


def test_no_more_pictures_are_prepared_ahead_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_ahead, "usable_processors", lambda: 2)
    files = write_pictures(tmp_path, 1) * 400
    prepared, taken, most = 0, 0, 0
    lock, enough = threading.Lock(), threading.Event()

    def prepare(image: Image.Image) -> Image.Image:
        nonlocal prepared, most
        with lock:
            prepared += 1
            most = max(most, prepared - taken)
        if most > pipeline.BATCH:
            enough.set()
        return image

    class Slow(Grid):
        def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
            nonlocal taken
            enough.wait(PATIENCE)  # files are read while the network is at work
            time.sleep(0.01)  # and more of them, if nothing holds that back
            with lock:
                taken += len(images)
            return super().__call__(images)

    assert len(features_of(files, Slow(), prepare)) == 400
    assert pipeline.BATCH < most <= read_ahead.AHEAD + pipeline.BATCH + read_ahead._PART


def test_wrong_features_and_empty_lists_are_refused(folders: tuple[Path, Path]) -> None:
    files = sorted(folders[0].iterdir())

    class Wrong(Grid):
        dim = 3

    class Broken(Grid):
        def __call__(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
            features = super().__call__(images)
            features[min(5, len(features) - 1), 0] = np.nan
            return features

    with pytest.raises(InputError, match="no pictures"):
        features_of([], Grid())
    with pytest.raises(ValueError, match=r"grid: features of shape \(32, 48\), expected \(32, 3\)"):
        features_of(files, Wrong())
    with pytest.raises(GillBenchError, match=rf"{files[5]}: features of grid are not finite"):
        features_of(files, Broken())
