"""The addresses of pictures in annotation files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gill_bench.datasets import cc3m, sis
from gill_bench.datasets.addresses import PictureAddress, picture_addresses
from gill_bench.errors import InputError
from tests.support import small_data as small


def test_addresses_of_vist_are_those_of_the_splits_own_photos(vist: Path) -> None:
    file = vist / "sis" / "test.story-in-sequence.json"

    def name_addresses(content: dict[str, list[dict[str, str]]]) -> None:
        content["images"][0]["url_o"], content["images"][0]["url_m"] = "http://a/o.jpg", "http://a/m.jpg"
        content["images"][1]["url_m"] = "http://a/m1.jpg"
        content["images"].append({"id": "1", "url_o": "http://a/of-no-story.jpg"})

    small.edit(file, name_addresses)
    (vist / "images" / "test" / "100001.png").unlink()
    addresses = picture_addresses("sis")
    assert addresses is not None
    photos = addresses(vist, "test")
    assert len(photos) == 80
    own = vist / "images" / "test" / "100000.png"
    assert photos[:3] == [
        PictureAddress("100000", "http://a/o.jpg", "images/test/100000", own),
        PictureAddress("100001", "http://a/m1.jpg", "images/test/100001", None),
        PictureAddress("100002", "", "images/test/100002", own.with_name("100002.png")),
    ]


@pytest.mark.parametrize("image", ["text", {"id": "100000", "url_o": 7}])
def test_a_malformed_image_of_vist_is_named(vist: Path, image: object) -> None:
    file = vist / "sis" / "test.story-in-sequence.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "images": [image]}))
    with pytest.raises(InputError, match=r"images\[0\]"):
        sis.picture_addresses(vist, "test")


def test_addresses_of_cc3m_are_numbered_by_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small.write_urls(tmp_path)
    rows = cc3m.picture_addresses(folder, "val")
    assert [(row.id, row.url, row.stem) for row in rows][1:] == [
        ("000000001", "http://a.b/1?x=1", "validation/000000001"),
        ("000000002", "http://a.b/2?x=1", "validation/000000002"),
    ]
    assert [row.file and row.file.name for row in rows] == ["000000000.webp", None, "000000002.jpg"]
    monkeypatch.setattr(cc3m, "_FLAT_ROWS", 2)
    assert [row.stem for row in cc3m.picture_addresses(folder, "val")][2] == "validation/00000/000000002"
    small.write_pairs(folder)
    with pytest.raises(InputError, match="names files and no addresses"):
        cc3m.picture_addresses(folder, "val")


def test_most_data_sets_have_no_lists_of_addresses() -> None:
    assert picture_addresses("visdial") is None
