"""The CC3M reader, in both forms of the data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gill_bench.datasets import Picture
from gill_bench.datasets.cc3m import context, load
from gill_bench.errors import InputError
from gill_bench.mini.writers import cc3m as mini
from tests.datasets.small import PAIRS, URLS, linked, touch, write_pairs, write_urls


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs")


@pytest.fixture
def urls(tmp_path: Path) -> Path:
    return write_urls(tmp_path / "urls")


def test_the_authors_list(pairs: Path) -> None:
    data = load(pairs, "val", {})
    assert [(example.id, example.cluster) for example in data.examples] == [("0", "0"), ("1", "1"), ("2", "2")]
    assert [example.turns[0].text for example in data.examples] == ['a " quote', "NA", "again"]
    x, y = Picture("x.jpg", None), Picture("sub/y.png", pairs / "cc3m" / "validation" / "sub/y.png")
    assert [example.target for example in data.examples] == [x, y, x]
    assert data.references == (x, y)
    assert context("caption").segments(data.examples[0], {}) == ('a " quote',)
    assert context("caption").inputs == {"text"}


def test_the_published_list(urls: Path) -> None:
    data = load(urls, "val", {})
    assert [example.turns[0].text for example in data.examples] == ["caption 0 .", "caption 1 .", "caption 2 ."]
    folder = urls / "cc3m" / "validation"
    assert list(data.references) == [
        Picture("000000000", folder / "000000000.webp"),
        Picture("000000001", None),
        Picture("000000002", folder / "00000" / "000000002.jpg"),
    ]
    assert [example.target for example in data.examples] == list(data.references)


def test_the_header_of_img2dataset_is_no_row(urls: Path) -> None:
    before = load(urls, "val", {})
    (urls / URLS).write_text("caption\turl\n" + (urls / URLS).read_text())
    assert load(urls, "val", {}) == before


def test_the_authors_list_wins_and_may_lie_in_their_folder(urls: Path, pairs: Path) -> None:
    (urls / "datasets").mkdir()
    shutil.copy(pairs / PAIRS, urls / "datasets")
    touch(urls / "validation", ["x.jpg"])
    found = load(urls, "val", {}).examples
    assert found[0].target == Picture("x.jpg", urls / "validation" / "x.jpg")


@pytest.mark.parametrize("name", [PAIRS, URLS])
def test_windows_lines_and_a_byte_order_mark(pairs: Path, urls: Path, name: str) -> None:
    folder = pairs if name == PAIRS else urls
    before = load(folder, "val", {})
    (folder / name).write_bytes(b"\xef\xbb\xbf" + (folder / name).read_bytes().replace(b"\n", b"\r\n").rstrip())
    assert load(folder, "val", {}) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "has no pairs"),
        ("caption\turl\n", "has no pairs"),
        ("a\thttp://a\nb\n", "line 2: expected caption<TAB>URL, found 'b'"),
        ("a\thttp://a\nb\thttp://b\tc\n", "line 2: expected caption<TAB>URL"),
        ("a\thttp://a\n\nb\thttp://b\n", "line 2: expected caption<TAB>URL, found ''"),
        (" \thttp://a\n", "line 1: expected caption<TAB>URL"),
        ("a\tx.jpg\n", "line 1: expected a URL after the tab, found 'x.jpg'"),
        ("caption\timage\na\tx.jpg\n", "line 1: expected a URL after the tab, found 'image'"),
    ],
)
def test_malformed_lists_of_urls(urls: Path, content: str, message: str) -> None:
    (urls / URLS).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        load(urls, "val", {})
    assert str(urls / URLS) in str(caught.value)


def test_malformed_lists_of_pairs(pairs: Path) -> None:
    (pairs / PAIRS).write_text("caption\timage\na\t../x.jpg\n")
    with pytest.raises(InputError, match=r"cc3m_val.tsv, line 2: image: '../x.jpg' leaves the folder"):
        load(pairs, "val", {})


def test_nothing_there(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither cc3m_train.tsv nor Train_GCC-training.tsv; download"):
        load(pairs, "train", {})
    with pytest.raises(InputError, match="split 'vall' of CC3M; did you mean 'val'"):
        load(pairs, "vall", {})
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "gone", "val", {})
    with pytest.raises(InputError, match="unknown context 'captions'; did you mean 'caption'"):
        context("captions")


def test_no_pictures_at_all(pairs: Path, urls: Path) -> None:
    for folder, first in ((pairs, "x.jpg and so on, as cc3m_val.tsv names"), (urls, "000000000.jpg and so on")):
        shutil.rmtree(folder / "cc3m")
        with pytest.raises(InputError, match=rf"looked in {folder.name}/cc3m/validation/, .*\nexpected {first}"):
            load(folder, "val", {})


def test_the_real_list(real_data: Path, tmp_path: Path) -> None:
    folder = linked(real_data / "cc3m", tmp_path / "cc3m", ["validation/00001/000010012.jpg"])
    data = load(folder, "val", {})
    assert len(data.examples) == len(data.references) == 15833
    assert data.examples[0].turns[0].text == "author : a life in photography -- in pictures"
    assert data.examples[12].turns[0].text == "that combines elements of a simple vegetable and dish"
    assert [picture.id for picture in data.references if picture.file is not None] == ["000010012"]


def test_the_mini_world(world: Path) -> None:
    data = load(world / "cc3m", "val", {})
    assert len(data.examples) == len(data.references) == mini.PAIRS["val"]
    assert all(picture.file is not None for picture in data.references)
