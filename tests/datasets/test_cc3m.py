"""The CC3M reader, in both forms of the data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from gill_bench.datasets import Picture
from gill_bench.datasets.cc3m import context, load
from gill_bench.errors import InputError
from gill_bench.mini.writers import cc3m as mini
from tests.support.small_data import PAIRS, URLS, linked_folder, touch, write_pairs, write_urls


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write_pairs(tmp_path / "pairs")


@pytest.fixture
def urls(tmp_path: Path) -> Path:
    return write_urls(tmp_path / "urls")


def test_the_authors_list_gives_one_example_a_pair(pairs: Path) -> None:
    data = load(pairs, "val", {})
    assert [(example.id, example.cluster) for example in data.examples] == [("0", "0"), ("1", "1"), ("2", "2")]
    assert [example.turns[0].text for example in data.examples] == ['a " quote', "NA", "again"]
    x, y = Picture("x.jpg", None), Picture("sub/y.png", pairs / "cc3m" / "validation" / "sub/y.png")
    assert [example.target for example in data.examples] == [x, y, x]
    assert data.references == (x, y)
    assert context("caption").segments(data.examples[0], {}) == ('a " quote',)
    assert context("caption").inputs == {"text"}


def test_the_published_list_gives_one_example_a_row(urls: Path) -> None:
    data = load(urls, "val", {})
    assert [example.turns[0].text for example in data.examples] == ["caption 0 .", "caption 1 .", "caption 2 ."]
    folder = urls / "cc3m" / "validation"
    assert list(data.references) == [
        Picture("000000000", folder / "000000000.webp"),
        Picture("000000001", None),
        Picture("000000002", folder / "00000" / "000000002.jpg"),
    ]
    assert [example.target for example in data.examples] == list(data.references)


def test_the_header_that_img2dataset_writes_is_no_row(urls: Path) -> None:
    before = load(urls, "val", {})
    (urls / URLS).write_text("caption\turl\n" + (urls / URLS).read_text())
    assert load(urls, "val", {}) == before


def test_the_authors_list_wins_and_may_lie_in_their_folder(urls: Path, pairs: Path) -> None:
    (urls / "datasets").mkdir()
    shutil.copy(pairs / PAIRS, urls / "datasets")
    touch(urls / "validation", ["x.jpg"])
    examples = load(urls, "val", {}).examples
    assert examples[0].target == Picture("x.jpg", urls / "validation" / "x.jpg")


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
def test_malformed_lists_of_urls_are_refused_with_their_line(urls: Path, content: str, message: str) -> None:
    (urls / URLS).write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        load(urls, "val", {})
    assert str(urls / URLS) in str(caught.value)


def test_malformed_lists_of_pairs_are_refused_with_their_line(pairs: Path) -> None:
    (pairs / PAIRS).write_text("caption\timage\na\t../x.jpg\n")
    with pytest.raises(InputError, match=r"cc3m_val.tsv, line 2: image: '../x.jpg' leaves the folder"):
        load(pairs, "val", {})


def test_a_missing_list_split_or_folder_is_named(pairs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"neither cc3m_train.tsv nor Train_GCC-training.tsv; download"):
        load(pairs, "train", {})
    with pytest.raises(InputError, match="split 'vall' of CC3M; did you mean 'val'"):
        load(pairs, "vall", {})
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "gone", "val", {})
    with pytest.raises(InputError, match="unknown context 'captions'; did you mean 'caption'"):
        context("captions")


def test_cc3m_without_any_picture_is_refused(pairs: Path, urls: Path) -> None:
    for folder, first in ((pairs, "x.jpg and so on, as cc3m_val.tsv names"), (urls, "000000000.jpg and so on")):
        shutil.rmtree(folder / "cc3m")
        with pytest.raises(InputError, match=rf"looked in {folder.name}/cc3m/validation/, .*\nexpected {first}"):
            load(folder, "val", {})


def test_the_published_validation_list_is_read_whole(real_data: Path, tmp_path: Path) -> None:
    folder = linked_folder(real_data / "cc3m", tmp_path / "cc3m", ["validation/00001/000010012.jpg"])
    data = load(folder, "val", {})
    assert len(data.examples) == len(data.references) == 15833
    assert data.examples[0].turns[0].text == "author : a life in photography -- in pictures"
    assert data.examples[12].turns[0].text == "that combines elements of a simple vegetable and dish"
    assert [picture.id for picture in data.references if picture.file is not None] == ["000010012"]


def test_cc3m_of_the_mini_world_is_complete(world: Path) -> None:
    data = load(world / "cc3m", "val", {})
    assert len(data.examples) == len(data.references) == mini.PAIRS["val"]
    assert all(picture.file is not None for picture in data.references)


# Pictures that img2dataset downloaded in other ways than by default.

LIST = [f"a picture of {row} things\thttp://images.example/{row}.jpg" for row in range(20)]


def downloaded(folder: Path, pictures: Mapping[str, object], lines: list[str] = LIST) -> Path:
    """The published list, and empty pictures by name, each with its .json (a mapping), .txt (a text) or neither."""
    folder.mkdir()
    (folder / URLS).write_text("".join(line + "\n" for line in lines))
    for name, beside in pictures.items():
        touch(folder / "validation", [f"{name}.jpg"])
        file = folder / "validation" / name
        if isinstance(beside, str):
            file.with_suffix(".txt").write_text(beside)
        elif beside is not None:
            file.with_suffix(".json").write_text(json.dumps(beside))
    return folder


def rows_of(folder: Path) -> dict[str, int]:
    """The row with which each picture is paired, by the picture's name."""
    rows = {}
    for example in load(folder, "val", {}).examples:
        assert example.turns[0].text == LIST[int(example.id)].partition("\t")[0]
        assert example.target is not None
        assert int(example.target.id) == int(example.id)
        if example.target.file is not None:
            rows[example.target.file.stem] = int(example.id)
    return rows


def url(row: int, caption: str = "") -> dict[str, object]:
    return {"url": f"http://images.example/{row}.jpg", "caption": caption or LIST[row].partition("\t")[0], "key": "x"}


@pytest.mark.parametrize("beside", ["json", "json without a url", "txt"])
@pytest.mark.parametrize("digits", [1, 4])
def test_pictures_of_other_shards_are_paired_by_what_lies_beside_them(tmp_path: Path, beside: str, digits: int) -> None:
    """With five rows a shard, the first picture of the second shard is of row 5."""

    def beside_row(row: int) -> object:
        record = url(row)
        return record["caption"] if beside == "txt" else {**record, "url": None} if beside != "json" else record

    expected = {f"{row // 5:05d}{row % 5:0{digits}d}": row for row in (0, 1, 5, 6, 12, 19)}
    folder = downloaded(tmp_path / "data", {f"{name[:5]}/{name}": beside_row(row) for name, row in expected.items()})
    assert rows_of(folder) == expected
    moved = 4 if digits == 4 else 6
    assert load(folder, "val", {}).warnings[0].startswith(f"{URLS}: {moved} pictures belong to other rows than")


def test_a_list_whose_first_row_was_taken_for_its_header(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "data", {f"00000/{row - 1:09d}": url(row) for row in range(1, 20)})
    assert rows_of(folder) == {f"{row - 1:09d}": row for row in range(1, 20)}
    assert len(load(folder, "val", {}).warnings) == 1


def test_pictures_that_belong_to_the_rows_of_their_names_give_no_warning(tmp_path: Path) -> None:
    pictures = {"00000/000000003": url(3), "000000004": LIST[4].partition("\t")[0], "000000005": None}
    folder = downloaded(tmp_path / "data", pictures)
    assert rows_of(folder) == {f"{row:09d}": row for row in (3, 4, 5)}
    assert load(folder, "val", {}).warnings == ()


def test_pictures_of_no_row_or_an_unknown_row_are_left_out_and_counted(tmp_path: Path) -> None:
    strange = {"url": "http://elsewhere.example/x.jpg", "caption": "x"}
    pictures = {"00000/000000000": url(1), "00000/000000001": strange, "00000/000000002": None}
    folder = downloaded(tmp_path / "data", pictures)
    assert rows_of(folder) == {"000000000": 1}
    moved, out, unsure = load(folder, "val", {}).warnings
    assert "1 pictures belong to other rows" in moved
    assert "1 pictures are left out" in out
    assert "000000001.jpg: they have a .json or .txt beside them with a URL or caption that no row has" in out
    assert "000000002.jpg: they have no .json or .txt" in unsure


def test_a_url_decides_the_row_and_among_equal_urls_the_caption(tmp_path: Path) -> None:
    lines = [
        *LIST[:3],
        "another caption\thttp://images.example/0.jpg",
        'a 6"" nail\thttp://images.example/4.jpg',
        *LIST[5:],
    ]
    pictures = {"00000/000000007": url(0, "another caption"), "00000/000000008": url(2, "reworded by somebody")}
    folder = downloaded(tmp_path / "data", pictures, lines)
    by_id = {
        example.id: example for example in load(folder, "val", {}).examples if example.target and example.target.file
    }
    assert {name: example.turns[0].text for name, example in by_id.items()} == {
        "3": "another caption",
        "2": "a picture of 2 things",
    }
    assert any("1 pictures have another caption beside them" in text for text in load(folder, "val", {}).warnings)


@pytest.mark.parametrize("name", ["00001/000010", "00001/00001000", "00003/000030000", "000000020"])
def test_picture_names_that_cannot_be_rows_are_refused_without_a_sidecar(tmp_path: Path, name: str) -> None:
    folder = downloaded(tmp_path / "data", {"00000/000000000": None, name: None})
    with pytest.raises(InputError, match=rf"{name}.jpg: its name is .*\ndownload them with img2dataset's"):
        load(folder, "val", {})


def test_a_damaged_file_beside_a_picture_is_named(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "data", {"00000/000000000": None})
    (folder / "validation/00000/000000000.json").write_text('{"url": "http')
    with pytest.raises(InputError, match=r"000000000.json: cannot be read as JSON"):
        load(folder, "val", {})


def test_hidden_files_of_macos_are_no_pictures_and_tell_nothing(tmp_path: Path) -> None:
    folder = downloaded(tmp_path / "data", {"00000/000000000": url(1)})
    for name in ("._000000000.jpg", "._000000000.json"):
        (folder / "validation" / "00000" / name).write_bytes(b"\0\5\x16\7")
    assert rows_of(folder) == {"000000000": 1}


def test_the_edition_with_labels_is_read(tmp_path: Path) -> None:
    lines = [f"{line}\tlabel one,label two\t/m/01,/m/02\t0.9,0.8" for line in LIST]
    folder = downloaded(tmp_path / "data", {"000000001": None}, lines)
    assert rows_of(folder) == {"000000001": 1}


@pytest.mark.parametrize("end", ["\n\n\n", "\r\n\r\n"])
def test_empty_lines_at_the_end_are_no_rows(pairs: Path, urls: Path, end: str) -> None:
    for file, folder in ((pairs / PAIRS, pairs), (urls / URLS, urls)):
        before = load(folder, "val", {})
        file.write_bytes((file.read_text() + end).encode())
        assert load(folder, "val", {}) == before
