"""How a stored picture becomes what a feature network is shown, in modes whose names belong into a signature.

Resizing filters, crops and file formats each move FID by as much as models differ (Parmar et al. 2022), so the mode of
each side is named. All resizing is PIL's bicubic, which is antialiased, on RGB uint8 (protocol 3.7, 3.8).
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

from gill_bench.errors import InputError, did_you_mean
from gill_bench.storage.long_pictures import is_large, resize_part

SIZE = 256
"""Pixels of the prepared pictures' sides; FID of COCO is reported at 256 x 256."""

Prepare = Callable[[Image.Image], Image.Image]


def as_stored(image: Image.Image) -> Image.Image:
    """The picture itself."""
    return image


def squash(image: Image.Image) -> Image.Image:
    """256 x 256 without keeping the aspect: generated pictures, which are square."""
    return image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def crop_then_resize(image: Image.Image) -> Image.Image:
    """The central square of the short side, then 256 x 256: real pictures of COCO.

    An odd pixel is left over at the right or the lower edge.
    """
    width, height = image.size
    side = min(width, height)
    left, upper = (width - side) // 2, (height - side) // 2
    return squash(image.crop((left, upper, left + side, upper + side)))


def resize_then_crop(image: Image.Image) -> Image.Image:
    """The short side to 256, then the central 256 x 256: real pictures of CC3M, rounded as torchvision does."""
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
    """The preparation of a name in `MODES`: RGB picture in, RGB picture out.

    Raises:
        InputError: There is no such mode.
    """
    if mode not in MODES:
        raise InputError(f"no preparation {mode!r} of pictures; {did_you_mean(mode, MODES)}")
    return MODES[mode]
