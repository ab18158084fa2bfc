from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.datasets.caption_pairs import CaptionPair, read_pairs
from gill_bench.errors import InputError


def written(folder: Path, content: str | bytes) -> Path:
    file = folder / "cc3m_train.tsv"
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


def test_quotes_and_missing_value_words_are_text(tmp_path: Path) -> None:
    content = 'caption\timage\na " quote\t1.jpg\nNA\t2.jpg\nnull\tsub/3.jpg\n"two\t4.jpg\nü \u2028 x\t1.jpg\n'
    assert read_pairs(written(tmp_path, content)) == [
        CaptionPair('a " quote', "1.jpg"),
        CaptionPair("NA", "2.jpg"),
        CaptionPair("null", "sub/3.jpg"),
        CaptionPair('"two', "4.jpg"),
        CaptionPair("ü \u2028 x", "1.jpg"),
    ]


def test_windows_lines_a_byte_order_mark_and_no_last_newline(tmp_path: Path) -> None:
    assert read_pairs(written(tmp_path, "\ufeffcaption\timage\r\na\t1\r\nb\t2")) == [
        CaptionPair("a", "1"),
        CaptionPair("b", "2"),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1: expected the header"),
        ("a\t1.jpg\n", "line 1: expected the header"),
        ("caption\timage\n", "only the header"),
        ("caption\timage\na\t1\nb\n", "line 3: expected caption<TAB>image"),
        ("caption\timage\na\t1\t2\n", "line 2"),
        ("caption\timage\na\t1\n\nb\t2\n", "line 3"),
        ("caption\timage\n \t1\n", "line 2"),
        ("caption\timage\na\t../1\n", "leaves the folder"),
        ("caption\timage\na\t/etc/1\n", "leaves the folder"),
        (b"caption\timage\n\xff\t1\n", "not UTF-8"),
    ],
)
def test_malformed_lists_of_pairs_are_refused_with_their_line(tmp_path: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_pairs(written(tmp_path, content))
    assert words in str(caught.value)
    assert "cc3m_train.tsv" in str(caught.value)


def test_a_missing_list_of_pairs_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_pairs(tmp_path / "x.tsv")


def test_the_published_list_without_a_header_is_no_list_of_pairs(real_data: Path) -> None:
    with pytest.raises(InputError, match="line 1"):
        read_pairs(real_data / "cc3m" / "Validation_GCC-1.1.0-Validation.tsv")
