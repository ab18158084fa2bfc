"""The image loader, through which all pictures are read."""

from __future__ import annotations

import os
import socket
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gill_bench.datasets import Picture
from gill_bench.datasets.pictures import check_pictures
from gill_bench.storage.digests import digest_file
from gill_bench.storage.images import HIGH_BYTE, UnreadablePictureError, load_image, rgb_of

RAMP = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
HIGH = (RAMP >> 8).astype(np.uint8)


def test_alpha_is_dropped_and_exif_is_ignored(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (3, 2), (10, 20, 30, 0))
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees"
    picture.save(tmp_path / "a.png", exif=exif)
    loaded = load_image(tmp_path / "a.png")
    assert loaded.mode == "RGB"
    assert loaded.size == (3, 2)
    assert loaded.getpixel((0, 0)) == (10, 20, 30)


def test_squash_is_bicubic_without_aspect(tmp_path: Path) -> None:
    picture = Image.effect_noise((50, 30), 80).convert("RGB")
    picture.save(tmp_path / "a.png")
    expected = picture.resize((24, 24), Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(load_image(tmp_path / "a.png", squash=24)), np.asarray(expected))


def test_a_palette_picture_is_resized_with_nearest_neighbour(tmp_path: Path) -> None:
    picture = Image.effect_noise((50, 30), 80).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    picture.save(tmp_path / "a.png")
    expected = picture.resize((24, 24), Image.Resampling.NEAREST).convert("RGB")
    assert np.array_equal(np.asarray(load_image(tmp_path / "a.png", squash=24)), np.asarray(expected))


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("1", (300, 300)).save(tmp_path / "a.png")
    for limit in (50_000, 10_000):  # PIL warns above its limit, and refuses above twice its limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(UnreadablePictureError, match="too many pixels"):
            load_image(tmp_path / "a.png")


def test_real_photos_are_read_as_rgb(real_data: Path) -> None:
    files = [file for file in (real_data / "photos").rglob("*") if file.suffix in (".png", ".jpg")]
    assert len(files) == 12
    assert all(load_image(file).mode == "RGB" for file in files)


def png(array: np.ndarray, colour: int, bits: int = 16) -> bytes:
    """A PNG of 16 bits a channel, of which PIL writes none but grey ones."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def write_sixteen(folder: Path) -> dict[str, Path]:
    """Write the same grey ramp in every format that has 16 bits per channel."""
    files = {
        name: folder / name for name in ("grey.png", "la.png", "rgb.png", "grey.tif", "big.tif", "grey.pgm", "grey.jp2")
    }
    files["grey.png"].write_bytes(png(RAMP, 0))
    files["la.png"].write_bytes(png(np.stack([RAMP, np.full_like(RAMP, 65535)], -1), 4))
    files["rgb.png"].write_bytes(png(np.stack([RAMP] * 3, -1), 2))
    Image.fromarray(RAMP).save(files["grey.tif"])
    Image.frombytes("I;16B", (64, 64), RAMP.astype(">u2").tobytes()).save(files["big.tif"])
    files["grey.pgm"].write_bytes(b"P5 64 64 65535\n" + RAMP.astype(">u2").tobytes())
    Image.fromarray(RAMP).save(files["grey.jp2"], irreversible=False)
    return files


def test_pictures_of_sixteen_bits_are_read_by_their_high_byte_in_every_format(tmp_path: Path) -> None:
    for name, file in write_sixteen(tmp_path).items():
        assert np.array_equal(np.asarray(load_image(file)), np.stack([HIGH] * 3, -1)), name


def test_grey_of_sixteen_bits_is_resized_as_that_of_eight(tmp_path: Path) -> None:
    Image.fromarray(HIGH).save(tmp_path / "eight.png")
    (tmp_path / "sixteen.png").write_bytes(png(RAMP, 0))
    eight, sixteen = (load_image(tmp_path / f"{name}.png", squash=24) for name in ("eight", "sixteen"))
    assert eight.tobytes() == sixteen.tobytes()


def tiff(array: np.ndarray, tags: dict[int, int]) -> bytes:
    """A TIFF of one strip with the tags given, for what PIL reads and does not write."""
    entries = {256: array.shape[1], 257: array.shape[0], 258: 16, 259: 1, 262: 1, 273: 0, 277: 1, 278: array.shape[0]}
    entries |= tags
    start = 8 + 2 + 12 * (len(entries) + 1) + 4
    data = array.tobytes()
    entries |= {273: start, 279: len(data)}
    listed = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(entries.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + listed + b"\0\0\0\0" + data


def test_a_tiff_of_twelve_bits_is_scaled_and_its_white_is_heeded(tmp_path: Path) -> None:
    white_is_zero = tmp_path / "inverted.tif"
    white_is_zero.write_bytes(tiff(65535 - RAMP, {262: 0}))
    assert np.array_equal(np.asarray(load_image(white_is_zero))[..., 0], 255 - ((65535 - RAMP) >> 8))
    twelve = (RAMP >> 4).reshape(-1, 2).astype(np.uint32)
    packed = np.stack([twelve[:, 0] >> 4, (twelve[:, 0] & 15) << 4 | twelve[:, 1] >> 8, twelve[:, 1] & 255], -1)
    (tmp_path / "twelve.tif").write_bytes(tiff(packed.astype(np.uint8).reshape(64, -1), {256: 64, 258: 12}))
    assert np.array_equal(np.asarray(load_image(tmp_path / "twelve.tif"))[..., 0], HIGH)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize("greatest", [1, 255, 65535])
def test_pixel_values_without_a_scale_are_refused(tmp_path: Path, kind: type, greatest: int) -> None:
    picture = Image.fromarray((RAMP / 65535 * greatest).astype(kind))
    picture.save(tmp_path / "a.tif")
    with pytest.raises(UnreadablePictureError, match="nothing says which of them is white"):
        load_image(tmp_path / "a.tif")
    with pytest.raises(UnreadablePictureError, match="nothing says which of them is white"):
        rgb_of(picture)
    assert np.array_equal(np.asarray(rgb_of(Image.fromarray(RAMP)))[..., 0], HIGH)


def test_a_picture_that_is_read_in_another_way_now_counts_as_another_picture(tmp_path: Path) -> None:
    """PIL's own conversion, which older versions used, cuts these at 255, and the files are the same."""
    files = {**write_sixteen(tmp_path), "eight.png": tmp_path / "eight.png"}
    Image.fromarray(HIGH).save(files["eight.png"])
    checked = check_pictures(Picture(name, file) for name, file in files.items())
    marked = {name for name, picture in checked.items() if picture.sha256 == f"{digest_file(files[name])}|{HIGH_BYTE}"}
    assert marked == {"grey.png", "grey.tif", "big.tif", "grey.pgm", "grey.jp2"}
    assert all(checked[name].sha256 == digest_file(files[name]) for name in files.keys() - marked)


def test_a_path_that_is_no_regular_file_is_refused_without_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    reasons = {"pipe": "a named pipe", "folder": "a folder", "link": "a named pipe", "zero": "a device"}
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.png")
        for name, reason in {**reasons, "s": "a socket"}.items():
            with pytest.raises(UnreadablePictureError, match=f"cannot be read: {reason}"):
                load_image(tmp_path / f"{name}.png")


def test_metadata_above_pils_limit_is_called_that_and_not_damage(tmp_path: Path) -> None:
    plain = png(RAMP, 0)
    text = b"Comment\0\0" + zlib.compress(b"x" * (2 << 20))
    chunk = struct.pack(">I", len(text)) + b"zTXt" + text + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    (tmp_path / "a.png").write_bytes(plain[:33] + chunk + plain[33:])
    with pytest.raises(UnreadablePictureError, match=r"^more metadata than PIL reads .*save it again without metadata"):
        load_image(tmp_path / "a.png")
