"""Pictures as a page carries them."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from gill_bench.reporting.page.thumbnails import SIDE, data_uri
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
