"""Inception's three modes: pixels and features bit for bit those of clean-fid, with weights of a random network."""

from __future__ import annotations

import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import cleanfid.fid
import cleanfid.utils
import numpy as np
import pytest
import torch
from cleanfid import features as cleanfid_features
from cleanfid import inception_pytorch
from PIL import Image

from gill_bench.errors import InputError
from gill_bench.metrics.backbones.inception import Inception, load_inception
from gill_bench.metrics.backbones.inception_files import WEIGHTS, Mode, check_inception
from gill_bench.storage.images import load_image
from tests.support.fid_budgets import NETWORK_PIXELS
from tests.support.fid_networks import inception_state, write_pictures, write_script

MODES: tuple[Mode, ...] = ("legacy_pytorch", "legacy_tensorflow", "clean")
# Warnings about deprecated parts of torch and torchvision that clean-fid and gill-bench use.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both files."""
    folder = tmp_path_factory.mktemp("inception")
    torch.save(inception_state(), folder / WEIGHTS["legacy_pytorch"].file)
    write_script(folder / WEIGHTS["clean"].file)
    return folder


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures of many kinds: square, wide, high, small, large, grey, with a palette, with alpha, JPEG."""
    folder = tmp_path_factory.mktemp("pictures")
    paths = []
    for index, size in enumerate([(256, 256), (256, 256), (320, 200), (120, 250), (5, 7), (1, 1), (640, 512)]):
        paths += [Path(shutil.move(write_pictures(folder / "one", 1, index, size)[0], folder / f"{index}.png"))]
    base = Image.open(paths[0])
    for name, mode in {"grey.png": "L", "palette.png": "P", "alpha.png": "RGBA", "photo.jpg": "RGB"}.items():
        base.convert(mode).save(folder / name)
        paths.append(folder / name)
    return paths


def shown(mode: Mode, files: list[Path]) -> list[torch.Tensor]:
    """The network's input for each picture."""
    seen: list[torch.Tensor] = []

    def network(batch: torch.Tensor) -> torch.Tensor:
        seen.extend(batch)
        return torch.zeros(len(batch), 2048)

    extractor = Inception(network, mode, "cpu")
    for file in files:
        extractor([load_image(file)])
    return seen


@pytest.mark.parametrize("mode", MODES)
def test_pixels_are_those_of_clean_fid(mode: Mode, files: list[Path]) -> None:
    data = cleanfid.utils.ResizeDataset([str(file) for file in files], mode=mode)
    pixels = shown(mode, files)
    assert len(pixels) == len(files)
    for index, picture_pixels in enumerate(pixels):
        assert torch.equal(picture_pixels, data[index]), files[index]


def test_modes_show_the_network_different_pixels(tmp_path: Path) -> None:
    file = tmp_path / "noise.png"
    Image.effect_noise((640, 512), 80).save(file)
    clean, torch_like = shown("clean", [file])[0], shown("legacy_pytorch", [file])[0]
    assert clean.shape == torch_like.shape == (3, 299, 299)
    assert float((clean - torch_like).abs().mean()) > 10
    assert shown("legacy_tensorflow", [file])[0].shape == (3, 512, 640)


@pytest.mark.parametrize("mode", MODES)
def test_features_are_those_of_clean_fid(mode: Mode, weights: Path, files: list[Path]) -> None:
    """clean-fid's own construction of its network, with its downloads answered from the files."""
    state = torch.load(weights / WEIGHTS["legacy_pytorch"].file, weights_only=True)

    original = cleanfid_features.InceptionV3W
    script_mock = mock.Mock(side_effect=lambda _, download, resize_inside: original(str(weights), False, resize_inside))
    with (
        mock.patch("cleanfid.inception_pytorch.load_state_dict_from_url", return_value=state),
        mock.patch.object(cleanfid_features, "InceptionV3W", script_mock),
    ):
        clean_extractor = cleanfid_features.build_feature_extractor(mode, torch.device("cpu"), use_dataparallel=False)
    extractor = load_inception(weights, mode)
    assert extractor.name == f"inception-v3-{mode}"
    some = [files[index] for index in (0, 2, 7)]
    data = cleanfid.utils.ResizeDataset([str(file) for file in some], mode=mode)
    for index, file in enumerate(some):
        expected = cleanfid.fid.get_batch_features(data[index][None], clean_extractor, torch.device("cpu"))
        features = extractor([load_image(file)])
        assert features.shape == (1, 2048)
        assert features.dtype == np.float32
        assert np.array_equal(features, expected)
    together = extractor([load_image(file) for file in some])
    assert together.std(axis=0).max() > 1e-3  # the random network tells pictures apart
    for index, file in enumerate(some):
        # Another batch is another order of summation in convolutions.
        assert together[index] == pytest.approx(extractor([load_image(file)])[0], rel=1e-4, abs=1e-5)


def test_pytorch_fid_computes_the_same_features_on_the_same_pixels(weights: Path, files: list[Path]) -> None:
    from pytorch_fid.inception import InceptionV3

    state = torch.load(weights / WEIGHTS["legacy_pytorch"].file, weights_only=True)
    with mock.patch("pytorch_fid.inception.load_state_dict_from_url", return_value=state):
        network = InceptionV3([3]).eval()
    image = load_image(files[0])
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255
    with torch.no_grad():
        expected = network(pixels)[0].flatten(1).numpy()
    assert load_inception(weights)([image]) == pytest.approx(expected, rel=NETWORK_PIXELS, abs=0.1 * NETWORK_PIXELS)


def test_loading_leaves_the_global_generator_and_warnings_alone(weights: Path) -> None:
    before, filters = torch.get_rng_state(), list(warnings.filters)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        load_inception(weights)
        load_inception(weights, "clean")
    assert [str(warning.message) for warning in said] == []
    assert torch.equal(before, torch.get_rng_state())
    assert filters == list(warnings.filters)


@pytest.mark.parametrize("mode", MODES)
def test_missing_weights_say_what_to_download(mode: Mode, tmp_path: Path) -> None:
    wanted = WEIGHTS[mode]
    for given in (tmp_path, tmp_path / wanted.file, tmp_path / "nowhere"):
        with pytest.raises(InputError) as raised:
            load_inception(given, mode)
        message = str(raised.value)
        assert wanted.url in message
        assert wanted.size in message
        assert str((tmp_path / "nowhere" if given.name == "nowhere" else tmp_path) / wanted.file) in message
        assert len(message.splitlines()) <= 3


def test_the_state_dict_comes_from_where_clean_fid_downloads_it() -> None:
    source = WEIGHTS["legacy_pytorch"]
    assert source.url == inception_pytorch.FID_WEIGHTS_URL
    assert source.url.endswith(f"/{source.file}")


def test_files_that_are_not_of_this_inception_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'clean'"):
        load_inception(weights, "cleen")  # type: ignore[arg-type]
    state = torch.load(weights / WEIGHTS["legacy_pytorch"].file, weights_only=True)
    state.pop("fc.bias")
    file = tmp_path / "inception.pth"
    torch.save(state, file)
    with pytest.raises(InputError, match=r"inception\.pth: cannot be loaded as the Inception of legacy_pytorch"):
        load_inception(file)
    torch.save([1, 2], file)
    with pytest.raises(InputError, match="not a state dict"):
        load_inception(file)
    with pytest.raises(InputError, match="rename it"):
        check_inception(file, "clean")
    script = tmp_path / WEIGHTS["clean"].file
    script.write_bytes(b"not a script")
    with pytest.raises(InputError, match="cannot be loaded as the Inception of clean"):
        load_inception(script, "clean")


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("unpickled"),))


def test_a_pickle_is_not_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "inception.pth"
    file.write_bytes(pickle.dumps({"fc.bias": Evil()}))
    with pytest.raises(InputError, match="cannot be loaded"):
        load_inception(file)
    assert not (tmp_path / "unpickled").exists()


@pytest.mark.parametrize("mode", MODES)
def test_a_pointer_of_git_lfs_is_named_as_one(mode: Mode, tmp_path: Path) -> None:
    (tmp_path / WEIGHTS[mode].file).write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(InputError, match="a Git LFS pointer in the place of the file"):
        check_inception(tmp_path, mode)


def test_whole_numbers_in_the_place_of_weights_are_refused(weights: Path, tmp_path: Path) -> None:
    file = WEIGHTS["legacy_pytorch"].file
    state = torch.load(weights / file, weights_only=True)
    key = next(key for key in state if key.endswith("conv.weight"))
    torch.save({**state, key: state[key].long()}, tmp_path / file)
    with pytest.raises(InputError, match=rf"{key} is of type int64, expected floating-point"):
        load_inception(tmp_path)
