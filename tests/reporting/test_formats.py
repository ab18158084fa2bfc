from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gill_bench.cards.find import Cards
from gill_bench.errors import InputError
from gill_bench.reporting import FORMATS, latex, markdown, render, render_file
from gill_bench.reporting.export_columns import COLUMN_TYPES, records
from gill_bench.reporting.structure import Table
from gill_bench.reporting.table import build_table
from gill_bench.reporting.text import mean_std
from gill_bench.rundir.rows import Results, Row
from gill_bench.statistics.mean_interval import MeanInterval
from tests.support.made_up import around, row, rows_of_layout, seeds, table, usual_rows

NASTY = r"[x] 50%_a & #1 ~ ^ \ { } $ | *b* <i> `c` -- d"

TERMINAL = """\
Table S. A small table.

                  CLIP ↑                     LPIPS ↓
      ───────────────────────────────    ───────────────
                       5 captions,
      1 caption        4 images          1 caption
────────────────────────────────────────────────────────
SD    0.591 ± 0.0014*    -               0.710 ± 0.0001*
GILL  0.580 ± 0.0000   0.641 ± 0.0007    0.710 ± 0.0000*
"""

MARKDOWN = """\
Table S. A small table.

| Model | CLIP ↑<br>1 caption | CLIP ↑<br>5 captions, 4 images | LPIPS ↓<br>1 caption |
| --- | --- | --- | --- |
| SD | **0.591 ± 0.0014** | - | **0.710 ± 0.0001** |
| GILL | 0.580 ± 0.0000 | 0.641 ± 0.0007 | **0.710 ± 0.0000** |

- tiny
- Bold: best of the column at the printed digits. "-" the model cannot do this.
- Examples scored per seed: 10 of 10.
- Mean ± sample standard deviation over 2 seeds (0, 1).
- Signature of clip-similarity: metric:clip-similarity\\|size:224
- Signature of lpips: metric:lpips\\|size:224
- SD as run: adapter:stable-diffusion\\|steps:50
- GILL as run: adapter:gill\\|steps:50
"""

LATEX = r"""\begin{tabular}{@{}llll@{}}
\toprule
 & \multicolumn{2}{c}{CLIP $\uparrow$} & \multicolumn{1}{c}{LPIPS $\downarrow$} \\
\cmidrule(lr){2-3} \cmidrule(lr){4-4}
Model & 1 caption & \shortstack[l]{5 captions, \\ 4 images} & 1 caption \\
\midrule
GLIDE \dag{} & 0.582 &  & 0.753 \\
\addlinespace
SD & \textbf{0.591}\,$\pm$\,0.0014 & -- & \textbf{0.710}\,$\pm$\,0.0001 \\
\quad paper & 0.592\,$\pm$\,0.0007 &  & 0.703\,$\pm$\,0.0003 \\
\quad difference & $-$0.001 &  & +0.007 \\
\addlinespace
"""


def test_the_markdown_of_a_table_is_the_stored_one() -> None:
    assert render(table(usual_rows(), notes=("tiny",)), "markdown") == MARKDOWN


def test_the_latex_of_a_table_is_the_stored_one() -> None:
    assert LATEX in render(table(usual_rows(), Cards().published()), "latex")


def test_the_terminal_table_is_the_stored_one() -> None:
    assert render(table(usual_rows()), "terminal").startswith(TERMINAL)


@pytest.mark.parametrize("width", [40, 60, 200])
def test_a_narrow_terminal_loses_no_number(width: int) -> None:
    text = render(table(usual_rows(), Cards().published(), intervals=around), "terminal", width=width)
    for number in (
        "0.591 ± 0.0014*",
        "0.641 ± 0.0007",
        "0.710 ± 0.0001*",
        "[0.5895, 0.5925]",
        "-0.001 in",
        "+0.007 out",
    ):
        assert number in text
    assert all(len(line) <= max(width, 60) for line in text.splitlines())


def rounds() -> Table:
    rows = [
        row(
            "gill",
            f"{number}-round{'s' * (number > 1)}",
            seed,
            "clip-similarity",
            number / 16 + seed / 64,
            task="visdial",
        )
        for number in range(1, 11)
        for seed in (0, 1)
    ]
    return build_table(Cards().report("figure-8"), Results(tuple(rows)), Cards())


def test_a_group_wider_than_the_terminal_falls_into_parts_that_fill_it() -> None:
    lines = [line for line in render(rounds(), "terminal", width=100).splitlines() if line.startswith("GILL ")]
    assert [line.count("±") for line in lines[:2]] == [6, 4]
    assert all(len(line) <= 100 for line in lines[:2])


def test_latex_sets_wide_tables_below_one_another() -> None:
    text = render(rounds(), "latex")
    assert re.findall(r"tabular\}\{@\{\}(l+)@", text) == ["l" * 7, "l" * 5]
    assert text.count(r"\multicolumn{6}{c}{CLIP Similarity $\uparrow$}") == 1
    assert text.count(r"\multicolumn{4}{c}{CLIP Similarity $\uparrow$}") == 1


def test_latex_keeps_its_caption_short_enough_to_be_set() -> None:
    text = render(table(usual_rows(), notes=("short", "w" * 1990, "last")), "latex")
    caption = next(line for line in text.splitlines() if line.startswith(r"\caption"))
    assert caption == r"\caption{A small table. short.}"
    assert "w" * 1990 + ". last. Bold: best" in text


def test_latex_sets_long_notes_smaller() -> None:
    notes = [r"\begin{minipage}{\linewidth}\scriptsize ", r"\begin{minipage}{\linewidth}\tiny "]
    few, many = (render(replace(table(usual_rows()), notes=("w" * 100,) * n), "latex") for n in (3, 30))
    assert [notes[0] in few, notes[1] in few, notes[0] in many, notes[1] in many] == [True, False, False, True]


def test_colour_adds_nothing_but_escapes() -> None:
    result_table = table(usual_rows())
    coloured = render(result_table, "terminal", color=True)
    assert "\x1b[1m" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == render(result_table, "terminal")


def test_numbers_are_equal_in_all_formats() -> None:
    result_table = table(usual_rows(), Cards().published())
    records = list(csv.DictReader(io.StringIO(render(result_table, "csv"))))
    printed = {record[name] for record in records for name in ("text", "published_text", "difference_text")}
    printed -= {"", "-"}
    assert len(printed) > 10
    value = json.loads(render(result_table, "json"))
    cells = [item for line in value["tables"][0]["rows"] for item in line["cells"]]
    assert [item["text"] for item in cells] == [record["text"] for record in records]
    assert [repr(item["mean"]) if item["mean"] is not None else "" for item in cells] == [r["mean"] for r in records]
    texts = {
        "terminal": render(result_table, "terminal"),
        "markdown": render(result_table, "markdown"),
        "latex": re.sub(r"\\textbf\{([^}]*)\}", r"\1", render(result_table, "latex"))
        .replace(r"\,$\pm$\,", " ± ")
        .replace("$-$", "-"),
    }
    for format, text in texts.items():
        assert [item for item in sorted(printed) if item not in text] == [], format


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_carries_the_notes_of_the_run(format: str) -> None:
    assert "the numbers mean nothing" in render(table(usual_rows(), notes=("the numbers mean nothing",)), format)


def test_json_has_a_version_and_the_values_of_all_seeds() -> None:
    value = json.loads(render(table(usual_rows()), "json"))
    assert value["schema_version"] == 1
    cell = value["tables"][0]["rows"][0]["cells"][0]
    assert (cell["seeds"], cell["values"]) == ([0, 1], [0.590, 0.592])


def test_nasty_names_and_notes_are_literal() -> None:
    rows = [*usual_rows(), *seeds(NASTY, "1-caption", "lpips", [0.8, 0.8])]
    result_table = table(rows, notes=(NASTY,))
    tex = render(result_table, "latex")
    row = next(line for line in tex.splitlines() if line.startswith(r"{}[x] 50\%\_"))
    assert len(re.findall(r"(?<!\\)&", row)) == 3
    pipes = [
        len(re.findall(r"(?<!\\)\|", line)) for line in render(result_table, "markdown").splitlines() if line[:1] == "|"
    ]
    assert set(pipes) == {5}
    names = {record["model"] for record in csv.DictReader(io.StringIO(render(result_table, "csv")))}
    assert NASTY in names


def test_html_is_literal_and_well_formed() -> None:
    rows = [*usual_rows(), *seeds(NASTY, "1-caption", "lpips", [0.8, 0.8])]
    html = render(table(rows, notes=(NASTY, "<script>alert(1)</script>")), "html")
    assert "<script" not in html
    assert "<i>" not in html
    root = ElementTree.fromstring(html)
    names = [th.text for th in root.iter("th") if th.get("scope") == "row"]
    assert " ".join(NASTY.split()) in names
    assert NASTY in [li.text for li in root.iter("li")]
    assert all(len(tr.findall("td")) == 3 for tr in root.iter("tr") if tr.get("class"))


def test_html_without_groups_has_one_line_of_headings() -> None:
    rows = [row("gill", "5-captions-4-images", 0, metric, 0.5) for metric in ("clip-similarity", "lpips")]
    result_table = build_table(Cards().report("generation-only"), Results(tuple(rows)), Cards())
    root = ElementTree.fromstring(render(result_table, "html"))
    assert [th.text for th in root.iter("th")] == ["Model", "CLIP Similarity ↑", "LPIPS ↓", "GILL"]


def test_every_exported_value_has_the_type_that_its_column_has_in_parquet() -> None:
    rows = [replace(item, trivial=0.25, trivial_answer="another picture") for item in usual_rows()]
    exported = records([table(rows, Cards().published(), intervals=around)])
    assert all(list(record) == list(COLUMN_TYPES) for record in exported)
    values = [(name, value) for record in exported for name, value in record.items() if value is not None]
    assert [(name, value) for name, value in values if type(value) is not COLUMN_TYPES[name]] == []
    assert {name for name, _ in values} == set(COLUMN_TYPES) - {"p", "p_holm"}  # which gains alone have


def test_parquet_without_pyarrow_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InputError, match=r"pip install 'gill-bench\[parquet\]'"):
        render_file([table(usual_rows())], "parquet")


def test_files_of_unknown_formats_are_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'parquet'"):
        render_file([table(usual_rows())], "parket")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_of_every_layout_compiles_and_fits(tmp_path: Path) -> None:
    cards, parts = Cards(), []
    for layout in cards.reports():
        rows = rows_of_layout(layout)
        for published in (None, cards.published()):
            results = Results(tuple(rows), (), ("50% of a_b & #1 ~ ^ { } $ | <i> `c` -- d",))
            parts.append(render(build_table(layout, results, cards, published, intervals=wide), "latex"))
    start = r"\documentclass{article}\usepackage{booktabs}\setlength{\textwidth}{397pt}\begin{document}"
    (tmp_path / "all.tex").write_text("\n".join([start, *(f"{part}\\clearpage" for part in parts), r"\end{document}"]))
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"],
        cwd=tmp_path,
        capture_output=True,
        timeout=300,
    )
    log = done.stdout.decode(errors="replace")
    assert done.returncode == 0, log[-2000:]
    assert "Overfull \\hbox" not in log


def wide(rows: Sequence[Row]) -> MeanInterval:
    value = rows[0].value or 0.0
    return MeanInterval(value - 0.01, value + 0.01, "clusters", 10)


def test_empty_incomplete_and_published_cells_are_marked_and_explained() -> None:
    rows = [item for item in usual_rows() if (item.model, item.context) != ("gill", "5-captions-4-images")]
    rows[0] = replace(rows[0], n_failed=1, n_scored=9)
    text = render(table(rows, Cards().published()), "terminal", width=200)
    assert "GLIDE †" in text
    assert "0.591 ± 0.0014‡" in text
    for explanation in ('"-" the model cannot', '"·" not run', "‡ incomplete", "† the paper's numbers; not run here"):
        assert explanation in text


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'latex'"):
        render(table(usual_rows()), "latx")


@pytest.mark.parametrize(
    ("mean", "std", "digits", "text"),
    [
        (0.6124, 0.0011, 3, "0.612 ± 0.0011"),
        (0.6124, 0.00001, 3, "0.612 ± <0.0001"),
        (0.6124, 0.0, 3, "0.612 ± 0.0000"),
        (-0.0001, None, 3, "0.000"),
        (12.24, 0.5, 1, "12.2 ± 0.50"),
    ],
)
def test_numbers_are_printed_with_their_digits_and_deviation(
    mean: float, std: float | None, digits: int, text: str
) -> None:
    assert mean_std(mean, std, digits) == text


words = st.text(st.characters(codec="utf-8", exclude_categories=["C"])).map(lambda text: " ".join(text.split()))


@given(words)
def test_latex_escaping_can_be_undone_and_leaves_nothing_special(text: str) -> None:
    escaped = latex.escape(text)
    back = escaped.replace("-{}", "-")
    for plain, command in sorted(latex._ESCAPES.items(), key=lambda item: -len(item[1])):
        back = back.replace(command, f"\0{ord(plain)};")
    assert not re.search(r"[\\{}%_&#$~^<>|`]", back)
    assert re.sub("\0([0-9]+);", lambda match: chr(int(match[1])), back) == text


@given(words)
def test_markdown_escaping_can_be_undone(text: str) -> None:
    escaped = markdown.escape(text)
    assert re.sub(r"\\(.)", r"\1", escaped) == text
    assert not re.search(r"(?<!\\)(\\\\)*[|*_`<\[$#]", re.sub(r"\\[^\\]", "", escaped.replace("\\\\", "")))
