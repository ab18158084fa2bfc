"""Pictures as a page carries them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from gill_bench.reporting.page.thumbnails import FULL_SIDE, SIDE, data_uri, full_size
from tests.reporting.page.content import picture


def opened(uri: str | None) -> Image.Image:
    assert uri is not None
    return Image.open(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))


def test_a_small_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = picture(tmp_path / "small.png", 0)
    uri = data_uri(file)
    assert uri == "data:image/png;base64," + base64.b64encode(file.read_bytes()).decode()


def test_a_large_file_becomes_a_small_jpeg_of_the_same_aspect(tmp_path: Path) -> None:
    Image.effect_noise((600, 300), 40).convert("RGB").save(tmp_path / "large.png")
    uri = data_uri(tmp_path / "large.png")
    assert uri is not None
    assert uri.startswith("data:image/jpeg;")
    assert opened(uri).size == (SIDE, SIDE // 2)
    assert len(uri) < 30_000


def test_a_small_file_of_a_huge_picture_is_scaled_down(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 100)).save(tmp_path / "wide.png")
    assert (tmp_path / "wide.png").stat().st_size < 16_384
    assert opened(data_uri(tmp_path / "wide.png")).width == SIDE


def test_a_file_that_is_no_picture_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    (tmp_path / "cut.png").write_bytes(picture(tmp_path / "whole.png", 1, side=300).read_bytes()[:2000])
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 not more")
    for name in ("x.png", "cut.jpg", "gone.png"):
        assert data_uri(tmp_path / name) is None


def test_a_palette_picture_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("RGB", (1000, 1000), (200, 30, 40)).quantize(4).save(tmp_path / "palette.png")
    pixel = opened(data_uri(tmp_path / "palette.png")).getpixel((50, 50))
    assert isinstance(pixel, tuple)
    assert all(abs(a - b) < 8 for a, b in zip(pixel, (200, 30, 40), strict=True))


def test_a_jpeg_in_full_size_is_the_file_unless_exif_would_turn_it(tmp_path: Path) -> None:
    noise = Image.effect_noise((600, 300), 40).convert("RGB")
    noise.save(tmp_path / "plain.jpg")
    assert full_size(tmp_path / "plain.jpg") == (tmp_path / "plain.jpg").read_bytes()
    turned = Image.Exif()
    turned[0x0112] = 6  # a browser shows the picture turned by a right angle, models saw it as it is stored
    noise.save(tmp_path / "turned.jpg", exif=turned)
    content = full_size(tmp_path / "turned.jpg")
    assert content is not None
    assert b"Exif" not in content
    assert Image.open(io.BytesIO(content)).size == (600, 300)


def test_full_size_has_a_limit_and_is_a_picture(tmp_path: Path) -> None:
    Image.effect_noise((3000, 1500), 40).save(tmp_path / "huge.png")
    content = full_size(tmp_path / "huge.png")
    assert content is not None
    assert Image.open(io.BytesIO(content)).size == (FULL_SIDE, FULL_SIDE // 2)
    (tmp_path / "x.jpg").write_bytes(b"\xff\xd8\xff\xe0 not more")
    assert full_size(tmp_path / "x.jpg") is None
    assert full_size(tmp_path / "gone.jpg") is None
