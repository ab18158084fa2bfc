"""Very long pictures are read like other pictures, in bounded memory."""

from __future__ import annotations

import resource
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessorPil

from gill_bench.metrics.backbones.clip import ClipPixels
from gill_bench.metrics.backbones.prepare import resize_then_crop
from gill_bench.models.interleaved.vision import VisualEncoder
from gill_bench.storage import long_pictures
from gill_bench.storage.long_pictures import resize_part, shortened

SIZES = [(3000, 1), (1, 3000), (2501, 7), (7, 2501), (4100, 120), (97, 3201), (9000, 270)]


def noise(size: tuple[int, int], seed: int = 0) -> Image.Image:
    width, height = size
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8))


def processor(short: int = 24, crop: tuple[int, int] = (24, 24)) -> CLIPImageProcessorPil:
    return CLIPImageProcessorPil(size={"shortest_edge": short}, crop_size={"height": crop[0], "width": crop[1]})


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(("short", "crop"), [(24, (24, 24)), (25, (24, 20)), (24, (21, 24))])
def test_the_middle_of_a_long_picture_is_that_of_the_whole_resized(
    size: tuple[int, int], short: int, crop: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    picture, wanted = noise(size), processor(short, crop)
    # PIL may resize down before across in one case and after it in the other, and rounds to whole levels between.
    expected = wanted(images=[picture], return_tensors="pt")["pixel_values"][0]
    level = 1 / 255 / min(wanted.image_std)
    monkeypatch.setattr(long_pictures, "MOST", 1000)
    assert shortened(picture, wanted).size == (short, short)
    encoder = VisualEncoder(None, wanted, squash_size=0)
    for pixels in (ClipPixels(wanted)(picture), encoder.pixels([picture])[0]):
        assert pixels.shape == expected.shape
        assert (pixels - expected).abs().max() <= level * 1.01


@pytest.mark.parametrize("size", [(300, 1), (1, 300), (2501, 70), (70, 2501)])
def test_real_pictures_of_cc3m_are_cut_in_the_same_way(size: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise(size)
    monkeypatch.setattr(long_pictures, "MOST", 1 << 30)
    expected = np.asarray(resize_then_crop(picture), int)
    monkeypatch.setattr(long_pictures, "MOST", 1000)
    cut = np.asarray(resize_then_crop(picture), int)
    assert cut.shape == (256, 256, 3)
    assert np.abs(cut - expected).max() <= 1


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (4000, 64), (300, 1), (3, 4), (1, 1)])
def test_ordinary_pictures_are_left_to_the_processor_bit_for_bit(size: tuple[int, int]) -> None:
    picture, wanted = noise(size), processor()
    assert shortened(picture, wanted) is picture
    expected = wanted(images=[picture], return_tensors="pt")["pixel_values"][0]
    assert torch.equal(ClipPixels(wanted)(picture), expected)
    assert torch.equal(VisualEncoder(None, wanted, squash_size=0).pixels([picture])[0], expected)


@pytest.mark.parametrize(
    "see",
    [
        lambda picture: ClipPixels(processor(224, (224, 224)))(picture),
        lambda picture: VisualEncoder(None, processor(224, (224, 224)), squash_size=0).pixels([picture]),
        resize_then_crop,
    ],
)
def test_a_very_long_picture_takes_little_memory(see: Callable[[Image.Image], object]) -> None:
    """The whole would be of 45 million x 224 pixels: 40 GB."""
    picture = Image.new("RGB", (200_000, 1), (10, 200, 30))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    see(picture)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_a_part_in_the_far_middle_keeps_its_digits() -> None:
    picture = noise((1_000_003, 1))
    part = resize_part(picture, (7_000_021, 7), (3_500_000, 0, 3_500_056, 7), Image.Resampling.BICUBIC)
    near = picture.crop((499_980, 0, 500_030, 1))
    expected = near.resize((350, 7), Image.Resampling.BICUBIC).crop((140, 0, 196, 7))
    assert np.abs(np.asarray(part, int) - np.asarray(expected, int)).max() <= 1


def test_a_processor_that_cuts_nothing_off_refuses_very_long_pictures() -> None:
    whole = CLIPImageProcessorPil(size={"shortest_edge": 224}, do_center_crop=False)
    with pytest.raises(ValueError, match=r"a picture of 3000 x 1 pixels, .* one of 672000 x 224"):
        shortened(noise((3000, 1)), whole)
    squashing = CLIPImageProcessorPil(size={"height": 24, "width": 24}, do_center_crop=False)
    assert VisualEncoder(None, squashing, squash_size=0).pixels([noise((3000, 1))]).shape == (1, 3, 24, 24)
