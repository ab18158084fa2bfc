"""Every format is read back, and all hold the same numbers in the same places."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pyarrow.parquet
import pytest

from gill_bench.cards.find import Cards
from gill_bench.reporting import render, render_file
from gill_bench.reporting.structure import Table
from gill_bench.rundir.rows import Row
from tests.support.made_up import around, row, seeds, table, usual_rows

Grid = list[list[str]]
"""Label and cells of each printed line, without marks."""
MARKS = "*†‡"


def usual_table(compare: bool) -> Table:
    rows = [
        *usual_rows(),
        row("mine", "1-caption", 0, "lpips", 0.7),
        *seeds("other", "1-caption", "lpips", [None, 0.7]),
    ]
    # With a note there would be neither "in" nor "out".
    notes = () if compare else ("<tiny> & small",)
    return table(rows, Cards().published() if compare else None, notes, around)


def clean(cells: list[str]) -> list[str]:
    return [cell.strip().strip(MARKS).strip() for cell in cells]


def from_csv(shown: Table) -> Grid:
    """The lines that should be printed, made from the texts of the CSV."""
    lines: dict[str, list[dict[str, str]]] = {}
    for record in csv.DictReader(io.StringIO(render(shown, "csv"))):
        lines.setdefault(record["title"], []).append(record)
    grid = []
    for title, records in lines.items():
        published_only = records[0]["status"] == "published-only"
        grid.append([title, *(entry["published_text" if published_only else "text"] for entry in records)])
        if published_only or not any(entry["published_text"] for entry in records):
            continue
        if any(entry["interval_text"] for entry in records):
            grid.append(["95 % interval", *(entry["interval_text"] for entry in records)])
        inside = {"true": " in", "false": " out", "": ""}
        grid.append(["paper", *(entry["published_text"] for entry in records)])
        changes = (entry["difference_text"] + inside[entry["published_in_interval"]] for entry in records)
        grid.append(["difference", *changes])
    return grid


def from_markdown(shown: Table) -> Grid:
    lines = [line for line in render(shown, "markdown").splitlines() if line.startswith("|")][2:]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    plain = [[re.sub(r"\\(.)", r"\1", cell).replace("&nbsp;", "").strip(" _*") for cell in line] for line in cells]
    return [clean(line) for line in plain]


def from_latex(shown: Table) -> Grid:
    lines = [line for line in render(shown, "latex").splitlines() if line.endswith(r" \\")]
    lines = [line for line in lines if "multicolumn" not in line and not line.startswith("Model")]
    undone = {r"\,$\pm$\,": " ± ", "$-$": "-", "--": "-", r"\%": "%", r"\quad": "", r"\dag{}": "", r"\ddag{}": ""}
    undone |= {r"$\times$": "×", r"$\cdot$": "·"}
    grid = []
    for line in lines:
        text = re.sub(r"\\textbf\{([^}]*)\}", r"\1", line.removesuffix(r" \\"))
        for command, plain in undone.items():
            text = text.replace(command, plain)
        grid.append(clean(text.split(" & ")))
    return grid


class _Cells(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.grid: Grid = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.grid.append([])
        elif tag in ("td", "th"):
            self.inside = True
            self.grid[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.grid[-1][-1] += data


def from_html(shown: Table) -> Grid:
    parser = _Cells()
    parser.feed(render(shown, "html"))
    return [clean(line) for line in parser.grid[2:]]


def from_terminal(shown: Table) -> Grid:
    lines = render(shown, "terminal", width=200).splitlines()
    rule = next(at for at, line in enumerate(lines) if line.startswith("─"))
    body = lines[rule + 1 : lines.index("", rule)]
    return [clean(re.split(r" {2,}", line.strip())) for line in body]


def from_json(shown: Table) -> Grid:
    grid = []
    for line in json.loads(render(shown, "json"))["tables"][0]["rows"]:
        name = "published_text" if line["published_only"] else "text"
        grid.append([line["title"], *(cell[name] for cell in line["cells"])])
    return grid


@pytest.mark.parametrize("compare", [False, True])
@pytest.mark.parametrize("read", [from_markdown, from_latex, from_html], ids=lambda read: read.__name__)
def test_printed_formats_hold_the_texts_of_the_csv_in_their_places(
    read: Callable[[Table], Grid], compare: bool
) -> None:
    expected = from_csv(usual_table(compare))
    assert len(expected) == (11 if compare else 4)
    assert read(usual_table(compare)) == expected


@pytest.mark.parametrize("compare", [False, True])
def test_the_terminal_holds_the_texts_of_the_csv_in_their_order(compare: bool) -> None:
    expected = [[cell for cell in line if cell] for line in from_csv(usual_table(compare))]
    assert from_terminal(usual_table(compare)) == expected


def test_json_holds_the_texts_of_the_csv() -> None:
    own = [line for line in from_csv(usual_table(True)) if line[0] not in ("95 % interval", "paper", "difference")]
    assert from_json(usual_table(True)) == own


@pytest.mark.parametrize("compare", [False, True])
def test_parquet_and_json_are_the_csv_with_types(compare: bool) -> None:
    records = list(csv.DictReader(io.StringIO(render(usual_table(compare), "csv"))))
    frame = pyarrow.parquet.read_table(io.BytesIO(render_file([usual_table(compare)], "parquet")))
    assert frame.column_names == list(records[0])
    typed = frame.to_pylist()
    assert [{name: _as_csv(value) for name, value in entry.items()} for entry in typed] == records
    kinds = {name: str(frame.schema.field(name).type) for name in ("mean", "n_scored", "best", "text")}
    assert kinds == {"mean": "double", "n_scored": "int64", "best": "bool", "text": "string"}
    cells = [
        cell for line in json.loads(render(usual_table(compare), "json"))["tables"][0]["rows"] for cell in line["cells"]
    ]
    shared = [name for name in cells[0] if name in typed[0]]
    assert len(shared) > 20
    assert [{name: entry[name] for name in shared} for entry in cells] == [
        {name: entry[name] for name in shared} for entry in typed
    ]


def _as_csv(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_the_papers_number_is_in_or_out_of_the_interval_of_ours() -> None:
    [gill] = [line for line in usual_table(True).lines if line.model == "gill"]
    first = gill.cells[0]
    assert first.interval is not None
    assert first.published is not None
    assert (first.mean, first.published.value, first.published_in_interval) == (0.58, 0.581, True)
    assert gill.cells[2].published_in_interval is False
    text = render(usual_table(True), "terminal", width=300)
    assert "bootstrap (of fewer than 8, Student's t) over 7 clusters of examples" in text
    assert "Student's t over 2 seeds" in text
    assert "in / out: the paper's number lies in the interval of our mean, or not.\n" in text


def stand_ins(rows: list[Row]) -> list[Row]:
    return [replace(plain_row, metric=f"{plain_row.metric}[mini]") for plain_row in rows]


@pytest.mark.parametrize(
    ("rows", "notes"),
    [
        (stand_ins(usual_rows()), ()),
        ([replace(plain_row, n_available=40) for plain_row in usual_rows()], ()),
        (usual_rows(), ("Data: the embedded mini world.",)),
    ],
    ids=["stand-ins", "a part of the data", "a note of the run"],
)
def test_numbers_that_are_not_comparable_are_neither_in_nor_out_of_an_interval(
    rows: list[Row], notes: tuple[str, ...]
) -> None:
    whole_table = table(rows, Cards().published(), notes, around)
    assert any(cell.interval and cell.published for line in whole_table.lines for cell in line.cells)
    assert {record["published_in_interval"] for record in csv.DictReader(io.StringIO(render(whole_table, "csv")))} == {
        ""
    }
    for format in ("terminal", "markdown", "latex", "html"):
        text = render(whole_table, format)
        assert "Not comparable with the paper" in text
        assert not re.search(r"[-+]\$?\d\.\d+ (in|out)\b|in / out", text)


def test_columns_with_stand_ins_may_stand_beside_others() -> None:
    rows = [*(usual_row for usual_row in usual_rows() if usual_row.metric == "lpips")]
    rows += stand_ins([usual_row for usual_row in usual_rows() if usual_row.metric != "lpips"])
    text = render(table(rows, Cards().published(), (), around), "terminal", width=300)
    assert "interval of our mean, or not. Neither is said of numbers that are not comparable.\n" in text
    assert {line.split()[-1] for line in text.splitlines() if line.startswith("  difference")} == {"out"}


def test_without_the_paper_no_interval_is_printed() -> None:
    assert "interval" not in render(usual_table(False), "terminal")
