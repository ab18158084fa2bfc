"""Preparations of stored pictures for a feature network; each has a name, which stands in the metric's signature.

Resizing filters, crops and file formats each move FID by as much as models differ (Parmar et al. 2022), so a signature
names the preparation of generated and of reference pictures. All resizing uses PIL's bicubic filter, which is
antialiased, on RGB uint8 (protocol 3.7, 3.8).
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from gill_bench.errors import InputError, did_you_mean
from gill_bench.storage.long_pictures import is_large, resize_part

SIZE = 256
"""The side of a prepared picture in pixels; FID of COCO is reported at 256 x 256."""

Prepare = Callable[[Image.Image], Image.Image]


def as_stored(image: Image.Image) -> Image.Image:
    """The picture, unchanged."""
    return image


def squash(image: Image.Image) -> Image.Image:
    """Resize to 256 x 256 without keeping the aspect, for generated pictures, which are square."""
    return image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def crop_then_resize(image: Image.Image) -> Image.Image:
    """Cut out the central square of the short side and resize it to 256 x 256, for real pictures of COCO.

    If the long side is longer by an odd number of pixels, the right or lower edge loses one pixel more.
    """
    width, height = image.size
    side = min(width, height)
    left, upper = (width - side) // 2, (height - side) // 2
    return squash(image.crop((left, upper, left + side, upper + side)))


def resize_then_crop(image: Image.Image) -> Image.Image:
    """Resize the short side to 256 and cut out the central 256 x 256, rounding as torchvision, for pictures of CC3M."""
    width, height = image.size
    side = min(width, height)
    width, height = SIZE * width // side, SIZE * height // side
    left, upper = round((width - SIZE) / 2), round((height - SIZE) / 2)
    part = (left, upper, left + SIZE, upper + SIZE)
    if is_large((width, height)):
        return resize_part(image, (width, height), part, Image.Resampling.BICUBIC)
    return image.resize((width, height), Image.Resampling.BICUBIC).crop(part)


MODES: dict[str, Prepare] = {
    "as-stored": as_stored,
    f"bicubic-{SIZE}": squash,
    f"crop-bicubic-{SIZE}": crop_then_resize,
    f"bicubic-{SIZE}-crop": resize_then_crop,
}


def preparation(mode: str) -> Prepare:
    """The preparation of that name in `MODES`, a function from RGB pictures to RGB pictures.

    Raises:
        InputError: There is no such mode.
    """
    if mode not in MODES:
        raise InputError(f"no preparation {mode!r} of pictures; {did_you_mean(mode, MODES)}")
    return MODES[mode]
