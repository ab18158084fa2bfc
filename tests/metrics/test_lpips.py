from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from gill_bench.errors import InputError
from gill_bench.metrics import lpips
from gill_bench.metrics.picture import PictureMetric
from gill_bench.mini.embedded import weights_folder
from tests.support.backbones import alex_state, lpips_of_the_package, pictures, squash, write_alex
from tests.support.metric_cases import Case


def write_mini(folder: Path) -> Path:
    return Path(shutil.copytree(weights_folder() / "lpips-mini", folder, dirs_exist_ok=True))


HARNESS = (Case({"size": 64}, write_alex, "alex.pth"), Case({}, write_mini, "mini"))

BUDGET = 5e-7
"""How far a distance may be from that of lpips.LPIPS with the same weights, one pair a call. The operations are the
same; float32 sums run in another order (channels last, another batch size): 7.5e-8 at the most on 512 pairs of 0.1 to
0.3."""


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_alex(tmp_path_factory.mktemp("lpips") / "alex.pth")


@pytest.fixture(scope="module")
def oracle() -> Any:
    return lpips_of_the_package()


def values(scorer: PictureMetric, generated: list[Image.Image], reference: list[Image.Image]) -> torch.Tensor:
    return scorer.compare(scorer.features(generated), scorer.features(reference))


@pytest.mark.parametrize("size", [31, 64, 256])
def test_value_is_that_of_the_package(trunk: Path, oracle: Any, size: int) -> None:
    generated, reference = pictures(5), pictures(5, seed=1)
    scorer = lpips.load(trunk, {"size": size}, "cpu")
    with torch.no_grad():
        pairs = zip(generated, reference, strict=True)
        expected = torch.cat(
            [oracle(squash(picture, size), squash(target, size)).flatten() for picture, target in pairs]
        )
    one_by_one = torch.cat(
        [values(scorer, [picture], [target]) for picture, target in zip(generated, reference, strict=True)]
    )
    torch.testing.assert_close(one_by_one, expected, atol=BUDGET, rtol=0)
    torch.testing.assert_close(values(scorer, generated, reference), expected, atol=BUDGET, rtol=0)
    assert expected.min() > 0.01
    assert scorer.name == "lpips"


def test_equal_pictures_have_no_distance(trunk: Path) -> None:
    scorer = lpips.load(trunk, {"size": 64}, "cpu")
    assert torch.equal(values(scorer, pictures(4), pictures(4)), torch.zeros(4))


def test_distance_grows_with_damage(tmp_path: Path) -> None:
    write_mini(tmp_path)
    scorer = lpips.load(tmp_path, {}, "cpu")
    reference = pictures(20)
    means = []
    for amount in (0.0, 0.2, 0.5, 1.0):
        damaged = [
            Image.blend(picture, other.resize(picture.size), amount)
            for picture, other in zip(reference, pictures(20, 1), strict=True)
        ]
        means.append(float(values(scorer, damaged, reference).mean()))
    assert means == sorted(means)
    assert means[0] == 0.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features.3.weight": None}, "missing: features.3.weight"),
        ({"features.12.weight": torch.zeros(1)}, "not of AlexNet: features.12.weight"),
        ({"features.6.bias": torch.zeros(3)}, r"features.6.bias \(3,\) instead of \(384,\)"),
    ],
)
def test_a_state_dict_of_another_network_is_refused(
    tmp_path: Path, change: dict[str, torch.Tensor | None], message: str
) -> None:
    file = tmp_path / "trunk.pth"
    state = {**alex_state(), **change}
    torch.save({key: value for key, value in state.items() if value is not None}, file)
    with pytest.raises(InputError, match=message) as raised:
        lpips.load(file, {}, "cpu")
    assert str(file) in str(raised.value)


def test_files_that_are_no_state_dict_are_refused(trunk: Path, tmp_path: Path) -> None:
    file = tmp_path / "trunk.pth"
    for content in (b"", b"<html>not found</html>", trunk.read_bytes()[:-1000]):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"not a file of torch\.save, or cut off"):
            lpips.check(file, {}, "alex")
        with pytest.raises(InputError, match=r"not a file of torch\.save, or cut off"):
            lpips.load(file, {}, "cpu")
    torch.save([1, 2], file)
    with pytest.raises(InputError, match="expected a dictionary of tensors alone"):
        lpips.load(file, {}, "cpu")
    torch.save({"model": PictureMetric}, file)
    with pytest.raises(InputError, match=r"not a plain file of tensors .*which is never run"):
        lpips.load(file, {}, "cpu")
    with pytest.raises(InputError, match="no such file"):
        lpips.check(tmp_path / "nowhere.pth", {}, "alex")
    with pytest.raises(InputError, match="needs weights"):
        lpips.check(None, {}, "alex")


def test_the_old_format_of_torch_is_read(trunk: Path, tmp_path: Path) -> None:
    file = tmp_path / "legacy.pth"
    torch.save(alex_state(), file, _use_new_zipfile_serialization=False)
    lpips.check(file, {}, "alex")
    generated, reference = pictures(1), pictures(1, seed=1)
    new, old = (lpips.load(path, {"size": 64}, "cpu") for path in (trunk, file))
    assert torch.equal(values(new, generated, reference), values(old, generated, reference))


def test_settings_of_lpips_are_in_the_signature_and_checked() -> None:
    for wrong in ({"net": "vgg"}, {"version": "0.0"}, {"size": 30}, {"resize": 256}):
        with pytest.raises(InputError, match="lpips: settings: "):
            lpips.signature(wrong, "x")
    assert "resize:128-" in lpips.signature({"size": 128}, "x")


# --- the mini backbone ---


def test_mini_is_never_taken_for_the_real_metric(tmp_path: Path) -> None:
    write_mini(tmp_path)
    lpips.check(tmp_path, {"size": 256}, "mini")
    scorer: Any = lpips.load(tmp_path, {"size": 256}, "cpu")
    assert scorer.name == "lpips[mini]"
    assert scorer.size == lpips.MINI_SIZE
    assert f"resize:{lpips.MINI_SIZE}-" in lpips.signature({"size": 256}, "mini")


def test_damaged_mini_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    write_mini(tmp_path)
    file = tmp_path / "model.safetensors"
    tensors = load_file(file)
    for change, message in (
        ("lin2.weight", "linear layers are missing"),
        ("features.0.weight", "missing: features.0.weight"),
    ):
        save_file({name: tensor for name, tensor in tensors.items() if name != change}, file)
        with pytest.raises(InputError, match=message):
            lpips.load(tmp_path, {}, "cpu")
    save_file(tensors, file)
    file.write_bytes(file.read_bytes()[:-8])
    with pytest.raises(InputError, match="download it again"):
        lpips.check(tmp_path, {}, "mini")
    (tmp_path / "config.json").write_text('{"kind": "lpips[mini]", "size": 32}')
    with pytest.raises(InputError, match="not a mini backbone of size 64"):
        lpips.check(tmp_path, {}, "mini")


def test_whole_numbers_and_pointers_of_git_lfs_in_place_of_weights_are_refused(trunk: Path, tmp_path: Path) -> None:
    file = tmp_path / "trunk.pth"
    state = torch.load(trunk, weights_only=True)
    torch.save({**state, "features.0.weight": state["features.0.weight"].long()}, file)
    with pytest.raises(InputError, match=r"trunk\.pth: features\.0\.weight is of type int64, expected floating-point"):
        lpips.load(file, {}, "cpu")
    file.write_text("version https://git-lfs.github.com/spec/v1\n")
    for ask in (lambda: lpips.check(file, {}, "alex"), lambda: lpips.load(file, {}, "cpu")):
        with pytest.raises(InputError, match="a Git LFS pointer in the place of the file"):
            ask()
