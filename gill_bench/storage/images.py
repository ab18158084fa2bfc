"""The one image loader: every picture that a model or a metric sees was read here.

Rules, the same as in the authors' scripts and in PIL: EXIF orientation is ignored, alpha is dropped, the result is RGB
uint8. Resizing happens before the conversion to RGB, so a palette picture is resized with nearest neighbour
(protocol 3.1).

PIL makes every grey value above 255 white. Here 16-bit grey is reduced to its high byte, as PIL itself does with 16-bit
RGB, and grey in 32-bit integers or floating point is refused, because no such file says which value is white.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from PIL import Image, UnidentifiedImageError

from gill_bench.storage.paths import is_remote, refuse_special

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
"""The formats that are read, whatever a file's name is; for others PIL may run another program (EPS: Ghostscript)."""
RULE = "exif:ignored|alpha:dropped|rgb8"
HIGH_BYTE = "grey16:high-byte"
"""The rule for 16-bit grey. It is not part of `RULE`, so that the keys of other pictures stay as they are."""
_METADATA = "PngImagePlugin.MAX_TEXT"  # in PIL's message about text that is longer than it reads
_BITS_PER_SAMPLE, _PHOTOMETRIC, _WHITE_IS_ZERO = 258, 262, 0  # tags of TIFF


class UnreadablePictureError(Exception):
    """A picture file is missing, is not a picture, is truncated, or is too large to be one."""


def load_image(source: Path | BinaryIO, squash: int = 0) -> Image.Image:
    """Read a picture as RGB uint8.

    Args:
        source: A file or an open binary stream, in one of `FORMATS`.
        squash: If above 0, resize to squash x squash pixels without keeping the aspect (PIL bicubic).

    Raises:
        UnreadablePictureError: With the reason in a few words.
    """
    return read_picture(source, squash)[0]


def read_picture(source: Path | BinaryIO, squash: int = 0) -> tuple[Image.Image, str]:
    """Read a picture as `load_image` does; also returns the rule that made its channels eight bits, or "".

    Raises:
        UnreadablePictureError: With the reason in a few words.
    """
    try:
        if isinstance(source, Path):
            refuse_special(source)
        with Image.open(source.open("rb") if is_remote(source) else source, formats=FORMATS) as opened:
            # PIL only warns of such pictures, and its warning cannot be turned into an error in one thread alone.
            if Image.MAX_IMAGE_PIXELS is not None and opened.width * opened.height > Image.MAX_IMAGE_PIXELS:
                raise UnreadablePictureError("too many pixels (decompression bomb?)")
            picture, rule = _eight_bits(opened)
            picture = picture if not squash else squash_image(picture, squash)
            # A picture that is RGB already needs no copy, unless it is the file's own, which PIL reads when it is used.
            return picture if picture.mode == "RGB" and picture is not opened else picture.convert("RGB"), rule
    except FileNotFoundError as error:
        raise UnreadablePictureError("no such file") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadablePictureError("too many pixels (decompression bomb?)") from error
    except UnidentifiedImageError as error:
        raise UnreadablePictureError("not a picture that PIL can read, of the formats in use") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, OSError) and error.strerror is not None:  # an error of the file system, not of PIL
            raise UnreadablePictureError(f"cannot be read: {error.strerror}") from error
        if _METADATA in str(error):
            raise UnreadablePictureError(
                f"more metadata than PIL reads ({error}); its pixels may be whole: save it again without metadata,"
                " or remove that with exiftool -all= FILE"
            ) from error
        # PIL reports damaged files with any of these, depending on the format.
        raise UnreadablePictureError(f"damaged ({error})") from error


def rgb_of(picture: Image.Image) -> Image.Image:
    """A picture of any of PIL's modes as RGB uint8, by the rules of this module.

    Raises:
        UnreadablePictureError: The scale of the picture's values is unknown.
    """
    return _eight_bits(picture)[0].convert("RGB")


def _eight_bits(picture: Image.Image) -> tuple[Image.Image, str]:
    """A picture with at most eight bits in each channel, and the rule by which it was changed ("" if it was not)."""
    mode, kind = picture.mode, picture.format
    # PIL reads 16-bit grey as "I", scaled to 0..65535, from PGM files, and before its version 11 from PNG files.
    if not mode.startswith("I;16") and not (mode == "I" and kind in ("PPM", "PNG")):
        if mode in ("I", "F"):
            values = "32-bit integers" if mode == "I" else "floating-point numbers"
            raise UnreadablePictureError(
                f"its grey values are {values}, and nothing says which of them is white: save it with 8 or 16 bits"
            )
        return picture, ""
    import numpy as np

    bits, inverted = 16, False
    if kind == "TIFF":
        tags = getattr(picture, "tag_v2", {})
        bits = int(tags.get(_BITS_PER_SAMPLE, (16,))[0])  # PIL does not scale values of 12 bits to 16
        inverted = tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO  # PIL inverts such pictures only if they have 8 bits
    levels = (np.asarray(picture).astype(np.int32) >> (bits - 8)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(255 - levels if inverted else levels), HIGH_BYTE


def squash_image(picture: Image.Image, size: int) -> Image.Image:
    """Resize to size x size pixels without keeping the aspect, as the evaluation scripts do (protocol 1.3).

    PIL's default filter: bicubic, but nearest for palette pictures.
    """
    return picture if picture.size == (size, size) else picture.resize((size, size))
