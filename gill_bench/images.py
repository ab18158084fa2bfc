"""The one image loader: every picture that a model or a metric sees was read here.

Rules, the same as in the authors' scripts and in PIL: EXIF orientation is ignored, alpha is dropped, the result is RGB
uint8. Resizing happens before the conversion to RGB, so a palette picture is resized with nearest neighbour
(protocol 3.1).
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from gill_bench.files import is_remote

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""What is read, whatever a file is called; other formats of PIL may run another program (EPS: Ghostscript)."""
RULE = "exif:ignored|alpha:dropped|rgb8"


class UnreadablePictureError(Exception):
    """A picture file is missing, is not a picture, is truncated, or is too large to be one."""


def load_image(source: Path | BinaryIO, squash: int = 0) -> Image.Image:
    """Read a picture as RGB uint8.

    Args:
        source: File or open binary stream, of one of `FORMATS`.
        squash: If above 0, resize to squash x squash pixels without keeping the aspect (PIL bicubic).

    Raises:
        UnreadablePictureError: With the reason in a few words.
    """
    try:
        with Image.open(source.open("rb") if is_remote(source) else source, formats=FORMATS) as opened:
            # PIL only warns of these, and turning its warning into an error is not possible in one thread alone.
            if Image.MAX_IMAGE_PIXELS is not None and opened.width * opened.height > Image.MAX_IMAGE_PIXELS:
                raise UnreadablePictureError("too many pixels (decompression bomb?)")
            picture = opened if not squash else squash_image(opened, squash)
            return picture.convert("RGB")
    except FileNotFoundError as error:
        raise UnreadablePictureError("no such file") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadablePictureError("too many pixels (decompression bomb?)") from error
    except UnidentifiedImageError as error:
        raise UnreadablePictureError("not a picture that PIL can read, of the formats in use") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        # PIL reports damaged files with any of these, depending on the format.
        raise UnreadablePictureError(f"damaged ({error})") from error


def squash_image(picture: Image.Image, size: int) -> Image.Image:
    """Resize to size x size pixels without keeping the aspect, as the evaluation scripts do (protocol 1.3).

    PIL's default filter: bicubic, but nearest for palette pictures.
    """
    return picture if picture.size == (size, size) else picture.resize((size, size))
