"""The table of gains, from runs of models whose use of the context is known: numbers, words, formats, figure, page."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from gill_bench.cards.find import Cards, ReportCard
from gill_bench.errors import InputError
from gill_bench.evaluate import execute
from gill_bench.planning.plan import make_plan
from gill_bench.planning.request import RunRequest
from gill_bench.reporting import render, render_file, tables_for
from gill_bench.reporting.export_columns import COLUMN_TYPES
from gill_bench.reporting.gains import _why_no_gain
from gill_bench.reporting.page.gather import write_report_page
from gill_bench.reporting.structure import Column, Table, TableCell
from gill_bench.rundir.reader import RunReader
from gill_bench.rundir.records import CellKey
from gill_bench.statistics.bootstrap import paired_interval
from gill_bench.statistics.significance import holm
from gill_bench.storage.sealed import write_sealed
from tests.support.made_up import row

MODELS = Path(__file__).with_name("planted_models.py")
PLAIN = "5-captions-4-images"
CONTEXTS = ("1-caption", "2-captions", "5-captions", PLAIN, f"{PLAIN}@foreign-images", f"{PLAIN}@shuffled")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the planted models; not to be changed."""
    out = tmp_path_factory.mktemp("gains") / "run"
    request = RunRequest(
        ("vist",),
        out,
        models=tuple(f"{MODELS}:{name}" for name in ("LastPicture", "Blind", "TextOnly")),
        contexts=CONTEXTS,
        seeds=1,
        limit=24,
        device="cpu",
        workers=1,
    )
    assert execute(make_plan(request)).complete
    return out


@pytest.fixture(scope="module")
def table(run: Path) -> Table:
    [table] = tables_for([run], Cards(), ["context-use"])
    return table


def cell(table: Table, model: str, title: str, group: str = "VIST LPIPS") -> TableCell:
    [number] = [n for n, column in enumerate(table.columns) if (column.title, column.group) == (title, group)]
    [line] = [line for line in table.lines if line.model == model]
    return line.cells[number]


def test_a_model_that_copies_a_picture_gains_from_the_right_one_and_a_blind_one_from_none(table: Table) -> None:
    for group in ("VIST LPIPS", "VIST similarity"):
        copied = cell(table, "last-picture", "right pictures over foreign", group)
        assert copied.stands_out
        assert copied.mean is not None
        assert copied.mean > 0  # in LPIPS too, where lower is better
        blind = cell(table, "blind", "right pictures over foreign", group)
        assert (blind.mean, blind.p) == (0.0, 1.0)
        assert not blind.stands_out
        assert cell(table, "blind", "pictures over none", group).mean == 0.0
    assert {line.model for line in table.lines} == {"blind", "last-picture", "text-only"}
    assert cell(table, "text-only", "right pictures over foreign").mean is None
    assert cell(table, "text-only", "5 captions over 1").mean == 0.0
    assert cell(table, "blind", "pictures over blank", "VIST similarity").status == "not-run"


def test_notes_say_in_words_which_context_a_model_uses(table: Table) -> None:
    notes = "\n".join(table.notes)
    said = {line.title: next(note for note in table.notes if note.startswith(f"{line.title} ")) for line in table.lines}
    nothing = "does not use its pictures, as far as this shows: foreign ones serve it as well"
    assert nothing in said["blind"]
    assert "; uses its pictures (VIST similarity, right pictures over foreign: +0." in said["last-picture"]
    assert nothing not in said["last-picture"]
    assert "gains nothing from more captions" in said["text-only"]
    assert "pictures" not in said["text-only"]
    assert "24 examples in 12 clusters, seeds 0" in notes
    assert f"right pictures over foreign: {PLAIN} over {PLAIN}@foreign-images" in notes


def test_a_gain_is_the_paired_difference_over_clusters_and_holm_is_over_the_table(run: Path, table: Table) -> None:
    reader = RunReader.open(run)
    keys = [CellKey("vist", "last-picture", context) for context in (PLAIN, f"{PLAIN}@foreign-images")]
    right, foreign = (reader.values(key, "lpips[mini]") for key in keys)
    assert right is not None
    assert foreign is not None
    names = list(right.means())
    differences = [foreign.means()[name] - right.means()[name] for name in names]
    clusters = reader.clusters(keys[0])
    expected = paired_interval(differences, [clusters[name] for name in names])
    gain_cell = cell(table, "last-picture", "right pictures over foreign")
    assert gain_cell.interval is not None
    assert gain_cell.mean == pytest.approx(expected.mean, rel=1e-6)
    # The same resamples of the differences with the other sign: the ends are those of the mirror image.
    width = expected.high - expected.low
    assert (gain_cell.interval.low, gain_cell.interval.high) == pytest.approx(
        (expected.low, expected.high), abs=width / 20
    )
    cells = [cell for line in table.lines for cell in line.cells if cell.p is not None]
    assert [cell.p_holm for cell in cells] == holm([cell.p for cell in cells if cell.p is not None])
    assert (gain_cell.pairs, gain_cell.interval.n) == (24, 12)


def test_every_format_has_the_gain_and_whether_it_stands_out(run: Path, table: Table) -> None:
    gain_cell = cell(table, "last-picture", "right pictures over foreign")
    assert gain_cell.mean is not None
    printed = f"+{gain_cell.mean:.3f}"
    for format in ("terminal", "markdown", "latex", "html"):
        text = render(table, format, width=400)
        assert printed in text, format
        assert "n.s." in text
    records = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    [record] = [
        line for line in records
        if (line["model"], line["metric"], line["over"]) == ("last-picture", "lpips[mini]", f"{PLAIN}@foreign-images")
    ]  # fmt: skip
    assert float(record["mean"]) == gain_cell.mean
    assert float(record["p_holm"]) == gain_cell.p_holm
    assert record["n_pairs"] == "24"
    assert {COLUMN_TYPES[name] for name in ("p", "p_holm", "mean")} == {type(gain_cell.p), type(gain_cell.mean)}
    content = json.loads(render(table, "json"))["tables"][0]
    assert content["columns"][0]["over"] == "1-caption"
    for format in ("svg", "png"):
        assert render_file([table], format) == render_file(tables_for([run], Cards(), ["context-use"]), format)
    svg = render_file([table], "svg").decode()
    assert "right pictures over foreign" in svg
    assert "does not use its pictures" in svg  # in the description


def test_a_model_whose_card_says_that_it_reads_text_alone_cannot_gain_from_pictures() -> None:
    rows = [row("stable-diffusion", context, 0, "lpips", 0.5) for context in ("1-caption", "5-captions")]
    for column in Cards().report("context-use").columns:
        if column.task == "vist":
            blank = Column("vist", column.context, "lpips", "", "", "", None, 3, False, {}, over=column.over)
            shows_pictures = PLAIN in column.context + column.over
            expected = "impossible" if shows_pictures else "not-run" if "@" in column.over else "undefined"
            assert _why_no_gain("stable-diffusion", blank, rows, Cards()) == expected


def test_a_report_shows_the_controls_and_the_gains_and_the_page_draws_them_first(run: Path, tmp_path: Path) -> None:
    tables = {table.name: table for table in tables_for([run], Cards())}
    assert list(tables)[-1] == "context-use"
    contexts = {column.context for column in tables["vist-controls"].columns}
    assert contexts == {PLAIN, f"{PLAIN}@foreign-images", f"{PLAIN}@shuffled"}
    page = write_report_page([run], tmp_path / "page").read_text(encoding="utf-8")
    figures = page[page.index('id="figures"') :]
    assert figures.index("Use of context") < figures.index("Figure 6")
    assert "foreign-images" in page


def test_the_page_opens_with_the_gain_of_the_richest_context_over_the_poorest(run: Path, tmp_path: Path) -> None:
    page = write_report_page([run], tmp_path / "page").read_text(encoding="utf-8")
    lead = re.search(r'<p class="lead">(.*?)</p>', page, re.DOTALL)
    assert lead is not None
    [layout] = tables_for([run], Cards(), ["table-1"])
    digits = re.compile(
        r"last-picture gains (?P<gain>0\.\d{3}) in CLIP similarity \(mini\) from 5 captions and 4 images over 1 caption"
        r" <span>\(95\u00a0% interval (?P<low>0\.\d{3}) to (?P<high>0\.\d{3}), p\u00a0(?:=|&lt;)\u00a00\.\d+,"
        r" 24 examples, 1 seed\)\.</span>"
    )
    match = digits.fullmatch(lead[1].strip())
    assert match, lead[1]
    means = {
        column.context: next(line for line in layout.lines if line.model == "last-picture").cells[number].mean
        for number, column in enumerate(layout.columns)
        if column.metric == "clip-similarity[mini]"
    }
    assert (most := means[PLAIN]) is not None
    assert (least := means["1-caption"]) is not None
    assert float(match["gain"]) == pytest.approx(most - least, abs=6e-4)
    assert float(match["low"]) <= float(match["gain"]) <= float(match["high"])
    assert "The others: " in page
    assert re.search(r"blind \+0\.000 \[0\.000, 0\.000\], not significant", page)
    # TextOnly reads no pictures: its richest context is another one.
    assert re.search(r"text-only \+0\.000 \[0\.000, 0\.000\] from 5 captions over 1 caption, not significant", page)
    assert "The lowest, median and highest CLIP similarity (mini) of last-picture with 5 captions and 4 images" in page


def test_without_controls_a_report_is_as_before(tmp_path: Path, run: Path) -> None:
    content = json.loads((run / "results.json").read_text())
    rows = [row for row in content["rows"] if "@" not in row["context"]]
    write_sealed(tmp_path / "results.json", {"schema_version": 1, "rows": rows, "missing": [], "notes": []})
    names = [table.name for table in tables_for([tmp_path], Cards())]
    assert "context-use" not in names
    assert not any(name.endswith("-controls") for name in names)
    only = [row for row in rows if row["context"] == PLAIN]
    write_sealed(tmp_path / "results.json", {"schema_version": 1, "rows": only, "missing": [], "notes": []})
    with pytest.raises(InputError, match="context-use: shows nothing of the results"):
        tables_for([tmp_path], Cards(), ["context-use"])


def test_a_layout_has_gains_alone_or_none() -> None:
    card = Cards().report("context-use").model_dump(by_alias=True)
    card["columns"][0]["over"] = ""
    with pytest.raises(ValueError, match="every column of a layout of gains needs a `context` and an `over`"):
        ReportCard.model_validate(card)


def test_every_gain_of_the_layout_is_made_by_the_list_of_its_task() -> None:
    for column in Cards().report("context-use").columns:
        contexts = Cards().task(column.task).contexts["controls"]
        assert {column.context, column.over} <= set(contexts)
        assert column.context != column.over
