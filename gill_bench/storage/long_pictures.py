"""Very long pictures: if a network reads only the middle of a picture, only the middle is resized.

CLIP and other networks resize the short side of a picture and then cut out the middle. A picture of 3000 x 1 pixels
would first become one of 672,000 x 224, which takes gigabytes; a longer picture takes all memory of the machine. PIL
can resize a part alone, with the same filter over the same pixels. A value may then differ by one level of 255, because
PIL rounds differently, so pictures of ordinary length are resized whole as before.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any

from PIL import Image

MOST = 1 << 24
"""The most pixels of a picture that is resized whole. With a short side of 224 pixels, a picture with more pixels is
more than 330 times as long as wide."""
_MARGIN = 4  # source pixels that PIL's filters read beyond the edge of a part, for each pixel of the result


def is_large(size: tuple[int, int]) -> bool:
    """Whether a resized picture would have more than `MOST` pixels."""
    return size[0] * size[1] > MOST


def resize_part(
    picture: Image.Image, size: tuple[int, int], part: tuple[int, int, int, int], resample: int | None
) -> Image.Image:
    """A part of a resized picture, without resizing the whole.

    Args:
        picture: A picture of any size.
        size: Width and height of the whole resized picture, which is never made.
        part: Left, upper, right and lower edge of the part in the whole.
        resample: PIL's filter.
    """
    scales = [before / after for before, after in zip(picture.size, size, strict=True)]
    edges = [edge * scales[index % 2] for index, edge in enumerate(part)]
    margins = [ceil(_MARGIN * max(scale, 1)) for scale in scales]
    # PIL rounds the edges of the part to 32 bits; counted from a crop close to the part, they keep their digits.
    left, upper = (max(0, floor(edges[side]) - margins[side]) for side in (0, 1))
    right, lower = (min(picture.size[side], ceil(edges[side + 2]) + margins[side]) for side in (0, 1))
    box = (edges[0] - left, edges[1] - upper, edges[2] - left, edges[3] - upper)
    return picture.crop((left, upper, right, lower)).resize((part[2] - part[0], part[3] - part[1]), resample, box)


def shortened(picture: Image.Image, processor: Any) -> Image.Image:
    """The middle of a very long picture, already resized, from which a processor cuts what it would cut from the whole.

    Args:
        picture: RGB, of any size.
        processor: `CLIPImageProcessorPil`.

    Returns:
        The picture itself if it is not very long.

    Raises:
        ValueError: The processor would enlarge all of a very long picture.
    """
    short = int(dict(processor.size or {}).get("shortest_edge") or 0) if processor.do_resize else 0
    width, height = (int(short * side / min(picture.size)) for side in picture.size)
    if not is_large((width, height)):
        return picture
    if not crop_side(processor):
        if dict(processor.size).get("longest_edge"):
            return picture
        raise ValueError(
            f"a picture of {picture.width} x {picture.height} pixels, which the image processor would make one of"
            f" {width} x {height}, since it cuts nothing off"
        )
    crop = {side: int(processor.crop_size[side]) for side in ("width", "height")}
    # The processor will cut the same pixels from this part as it would cut from the whole.
    left = (width - crop["width"]) // 2 - (short - crop["width"]) // 2
    upper = (height - crop["height"]) // 2 - (short - crop["height"]) // 2
    return resize_part(picture, (width, height), (left, upper, left + short, upper + short), processor.resample)


def crop_side(processor: Any) -> int:
    """The pixels to which a processor resizes the short side; 0 unless it resizes and then crops within."""
    size, crop = dict(processor.size or {}), dict(processor.crop_size or {})
    side = int(size.get("shortest_edge") or 0)
    has_other_sizes = any(value for key, value in size.items() if key != "shortest_edge")
    fits = 0 < min(crop.get("height") or 0, crop.get("width") or 0) <= max(crop.values(), default=0) <= side
    plain = processor.do_resize and processor.do_center_crop and not getattr(processor, "do_pad", False)
    return side if plain and fits and not has_other_sizes else 0
