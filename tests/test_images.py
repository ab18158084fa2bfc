"""The one image loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gill_bench.images import UnreadablePictureError, load_image


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


def test_the_real_photos(real_data: Path) -> None:
    files = [file for file in (real_data / "photos").rglob("*") if file.suffix in (".png", ".jpg")]
    assert len(files) == 12
    assert all(load_image(file).mode == "RGB" for file in files)
