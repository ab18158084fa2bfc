from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import CenterCrop, InterpolationMode, Resize

from gill_bench.errors import InputError
from gill_bench.metrics.backbones.prepare import MODES, preparation

SIZES = [(640, 480), (480, 640), (500, 333), (333, 500), (257, 300), (512, 512), (256, 256), (100, 37), (31, 900)]


def noise(size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(size[0])
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))


def equal(first: Image.Image, second: Image.Image) -> bool:
    return np.array_equal(np.asarray(first), np.asarray(second))


@pytest.mark.parametrize("size", SIZES)
def test_real_pictures_of_cc3m_as_torchvision_does(size: tuple[int, int]) -> None:
    picture = noise(size)
    expected = CenterCrop(256)(Resize(256, InterpolationMode.BICUBIC)(picture))
    assert equal(preparation("bicubic-256-crop")(picture), expected)


@pytest.mark.parametrize("size", SIZES)
def test_real_pictures_of_coco_are_cropped_before_they_are_resized(size: tuple[int, int]) -> None:
    picture = noise(size)
    pixels = np.asarray(picture)
    side = min(size)
    upper, left = (size[1] - side) // 2, (size[0] - side) // 2
    square = Image.fromarray(np.ascontiguousarray(pixels[upper : upper + side, left : left + side]))
    assert equal(preparation("crop-bicubic-256")(picture), square.resize((256, 256), Image.Resampling.BICUBIC))


def test_generated_pictures_are_antialiased() -> None:
    # A grid of one pixel's width averages to grey; taking every second pixel would keep black or white.
    pixels = np.zeros((512, 512, 3), dtype=np.uint8)
    pixels[:, ::2] = 255
    shown = np.asarray(preparation("bicubic-256")(Image.fromarray(pixels)))
    assert shown.shape == (256, 256, 3)
    assert np.abs(shown[:, 4:-4].astype(int) - 128).max() <= 2


def test_pictures_that_have_the_size_already_stay_as_they_are() -> None:
    picture = noise((256, 256))
    assert all(equal(prepare(picture), picture) for prepare in MODES.values())
    small = noise((32, 20))
    assert equal(preparation("as-stored")(small), small)


def test_an_unknown_mode_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'bicubic-256'"):
        preparation("bicubic256")
