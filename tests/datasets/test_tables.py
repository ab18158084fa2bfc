"""Lists with quotation marks as they are published, and as pandas writes them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.datasets.tables import read_table
from gill_bench.errors import InputError

RAW = [['a 6" nail', "x"], ['"quoted" from the start', "y"], ['from the "end"', "z"], ['"', '"all of it"'], ["", ""]]
FIELDS = st.lists(st.lists(st.text("a \"'", max_size=5), min_size=2, max_size=2), min_size=1, max_size=6)


def written(folder: Path, rows: list[list[str]], quoting: int | None) -> Path:
    """A list as it is published (None), or as pandas' to_csv(sep="\\t") writes it, with the csv module's quoting."""
    file = folder / "list.tsv"
    with file.open("w", newline="", encoding="utf-8") as opened:
        if quoting is None:
            opened.writelines("\t".join(row) + "\n" for row in rows)
        else:
            csv.writer(opened, delimiter="\t", quoting=quoting, lineterminator="\n").writerows(rows)  # type: ignore[arg-type]
    return file


def test_raw_fields_stay_as_they_are(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, RAW, None)) == RAW


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
def test_the_quotation_marks_of_pandas_are_taken_off(tmp_path: Path, quoting: int) -> None:
    assert read_table(written(tmp_path, RAW, quoting)) == RAW


@given(FIELDS, st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_whatever_pandas_writes_comes_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], quoting: int
) -> None:
    rows = [*rows, ["the", "last"]]
    assert read_table(written(tmp_path_factory.getbasetemp(), rows, quoting)) == rows


def test_a_mixture_is_refused_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text('plain\tx\na 6" nail\ty\n"a 6"" nail"\tz\n')
    with pytest.raises(InputError, match=r"list.tsv, line 3: a field with doubled .* but line 2 has a single one"):
        read_table(tmp_path / "list.tsv")


def test_lines_within_fields_and_empty_last_lines(tmp_path: Path) -> None:
    (tmp_path / "list.tsv").write_text("a\u2028b\tc\r\n\r\nd\te\n\n\n", newline="")
    assert read_table(tmp_path / "list.tsv") == [["a\u2028b", "c"], [""], ["d", "e"]]
    (tmp_path / "list.tsv").write_text("")
    assert read_table(tmp_path / "list.tsv") == []


def test_the_published_lists_are_raw(real_data: Path) -> None:
    for file in [*(real_data / "partiprompts").glob("*.tsv"), *(real_data / "cc3m").glob("*.tsv")]:
        lines = file.read_text(encoding="utf-8").split("\n")
        assert read_table(file) == [line.removesuffix("\r").split("\t") for line in lines if line]
