"""Pictures as `data:` URIs inside a page: small files unchanged, larger files as JPEG thumbnails."""

from __future__ import annotations

import base64
import io
import sys
from pathlib import Path

from PIL import Image

from gill_bench.progress import say
from gill_bench.rundir.load_units import DamagedUnitError, read_picture
from gill_bench.storage.images import UnreadablePictureError, load_image

VERSION = 1
"""The version of how a thumbnail looks; it is part of the names of the files that hold thumbnails."""

SMALL_BYTES = 16_384
SIDE = 192
FULL_SIDE = 1024
"""Pixels of the longer side up to which a picture of the data is in the page in full size."""

_LONGEST_SIDE = 512
_QUALITY = 82
_FULL_QUALITY = 88
_FULL_BYTES = 524_288
_EXIF_WITHIN = 65_536  # bytes; EXIF data stands at the beginning of a file
_PNG = b"\x89PNG\r\n\x1a\n"
_MAGIC = ((_PNG, "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def data_uri(file: Path, sha256: str = "") -> str | None:
    """A picture as a `data:` URI of at most about 20 kB; None if the file is missing, or is not a picture.

    Args:
        file: A picture of the data, which may be a link to another place, or a picture that a model made.
        sha256: The SHA-256 of a picture that a model made, which must be a regular file with this content; "" for a
            picture of the data, of any content.

    A file of up to 16 kB is used unchanged, without decoding, unless a side exceeds 512 pixels. Any other file is
    decoded (`gill_bench.storage.images`) and scaled down to 192 pixels.
    """
    try:
        content = read_picture(file, sha256) if sha256 else file.read_bytes()
    except OSError:
        return None  # the tables count a missing picture, and the page shows a gap
    except DamagedUnitError as error:
        if error.__cause__ is None:  # the file is there, but its content has changed
            say(f"warning: the page does not show a picture: {error}")
        return None
    kind = next((kind for magic, kind in _MAGIC if content.startswith(magic)), "")
    if kind and len(content) <= SMALL_BYTES and _longest_side(content) <= _LONGEST_SIDE:
        return f"data:{kind};base64,{base64.b64encode(content).decode()}"
    try:
        picture = load_image(io.BytesIO(content))
    except UnreadablePictureError:
        return None
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return f"data:image/jpeg;base64,{base64.b64encode(_jpeg(picture, _QUALITY)).decode()}"


def full_size(file: Path) -> bytes | None:
    """A picture of the data as JPEG of at most `FULL_SIDE` pixels; None if the file is missing, or is not a picture.

    A JPEG file of up to 512 kB and within these pixels is returned unchanged, unless it has EXIF data, by which a
    browser would turn it, and no model did.
    """
    try:
        content = file.read_bytes()
    except OSError:
        return None
    plain = content.startswith(b"\xff\xd8\xff") and b"Exif" not in content[:_EXIF_WITHIN]
    if plain and len(content) <= _FULL_BYTES and _longest_side(content) <= FULL_SIDE:
        return content
    try:
        picture = load_image(io.BytesIO(content))
    except UnreadablePictureError:
        return None
    picture.thumbnail((FULL_SIDE, FULL_SIDE), Image.Resampling.LANCZOS)
    return _jpeg(picture, _FULL_QUALITY)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _longest_side(content: bytes) -> int:
    """Pixels of the longer side, from the header alone; more than allowed if the file is damaged."""
    if content.startswith(_PNG):
        return max(int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big"))
    try:
        with Image.open(io.BytesIO(content)) as opened:
            return max(opened.size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return sys.maxsize
