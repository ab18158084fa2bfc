"""Figures: their points, positions and bands; equal results give equal bytes."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from gill_bench.cards.find import Cards, ReportCard
from gill_bench.errors import InputError
from gill_bench.reporting import render_file
from gill_bench.reporting.figure import render_figure, render_figure_html
from gill_bench.reporting.structure import Table
from gill_bench.reporting.table import build_table
from gill_bench.rundir.rows import Results, Row
from gill_bench.statistics.mean_interval import MeanInterval
from tests.support.made_up import row, table, usual_rows

FIGURES = ("figure-6", "figure-8")


def around(rows: Any) -> MeanInterval:
    return MeanInterval(rows[0].value - 0.02, rows[0].value + 0.03, "clusters", 40)


def results(name: str, models: tuple[str, ...] = ("stable-diffusion", "gill")) -> list[Row]:
    return [
        row(model, column.context, seed, column.metric, 0.5 + at / 100 + index / 50, task=column.task)
        for index, model in enumerate(models)
        for at, column in enumerate(Cards().report(name).columns)
        for seed in (0, 1)
        if model != "stable-diffusion" or "image" not in column.context
    ]


def figure_table(name: str = "figure-6", compare: bool = True, rows: list[Row] | None = None, **changes: Any) -> Table:
    card = Cards().report(name)
    if changes:
        card = ReportCard.model_validate(card.model_dump(by_alias=True) | changes)
    content = Results(tuple(results(name) if rows is None else rows), (), ("a <small> $run$",))
    return build_table(card, content, Cards(), Cards().published() if compare else None, intervals=around)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Every figure that is saved, to look at what is on its axes."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def test_curves_bands_and_the_papers_points_are_at_the_numbers_of_the_table(drawn: list[Figure]) -> None:
    table = figure_table()
    render_figure(table, "svg")
    [axes] = drawn[0].axes
    curves = [line for line in axes.lines if line.get_linestyle() != "None"]
    points = [line for line in axes.lines if line.get_linestyle() == "None"]
    sd, gill = (next(line for line in table.lines if line.model == name) for name in ("stable-diffusion", "gill"))
    expected = [[cell.mean for cell in part] for part in (sd.cells[:5], gill.cells[:5], gill.cells[5:])]
    assert [np.asarray(curve.get_ydata()).tolist() for curve in curves] == expected
    assert [np.asarray(curve.get_xdata()).round().tolist() for curve in curves] == [
        [1, 2, 3, 4, 5],
        [1, 2, 3, 4, 5],
        [2, 3, 4, 5],
    ]
    # GLIDE was not run: it has the paper's points alone.
    assert [np.asarray(point.get_ydata()).tolist() for point in points] == [
        [0.582, 0.591],
        [0.592, 0.598],
        [0.581, 0.612],
        [0.641],
    ]
    assert {point.get_markerfacecolor() for point in points} == {"white"}
    bands = [collection for collection in axes.collections if isinstance(collection, PolyCollection)]
    corners = {(round(x), round(y, 6)) for x, y in np.asarray(bands[0].get_paths()[0].vertices).tolist()}
    for x, cell in enumerate(sd.cells[:5], 1):
        assert cell.interval is not None
        assert {(x, round(cell.interval.low, 6)), (x, round(cell.interval.high, 6))} <= corners


def test_a_single_point_is_drawn_only_if_the_layout_lists_it_or_nothing_has_a_curve(
    drawn: list[Figure],
) -> None:
    single_points = [
        row(model, "5-captions", seed, "clip-similarity", 0.9) for model in ("mine", "glide") for seed in (0, 1)
    ]
    text = render_figure(figure_table(compare=False, rows=[*results("figure-6"), *single_points]), "svg").decode()
    assert "Not drawn, since each has a single point: 1 (mine)." in text
    labels = [entry.get_text() for entry in drawn[0].legends[0].get_texts()]
    assert labels == ["GLIDE, captions", "Stable Diffusion, captions", "GILL, captions", "GILL, captions and pictures"]
    text = render_figure(figure_table(compare=False, rows=single_points), "svg").decode()
    assert "Not drawn" not in text
    assert [entry.get_text() for entry in drawn[1].legends[0].get_texts()] == ["GLIDE, captions", "mine, captions"]


def test_curves_differ_without_colour(drawn: list[Figure]) -> None:
    render_figure(figure_table("figure-8", rows=results("figure-8", ("glide", "stable-diffusion", "gill"))), "png")
    lines = drawn[0].axes[0].lines
    curves = [line for line in lines if line.get_linestyle() != "None"]
    assert len({line.get_marker() for line in curves}) == 3
    assert len({str(line._dash_pattern) for line in curves}) == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("format", ["svg", "png"])
def test_equal_tables_give_equal_bytes_whatever_the_users_settings(
    name: str, format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import matplotlib as mpl

    first = render_figure(figure_table(name), format)
    monkeypatch.setitem(mpl.rcParams, "font.size", 30.0)
    monkeypatch.setitem(mpl.rcParams, "axes.facecolor", "red")
    assert render_figure(figure_table(name), format) == first
    if format == "png":
        picture = Image.open(io.BytesIO(first))
        assert picture.size[0] == 1400
        assert "Signature of clip-similarity" in picture.text["Description"]  # type: ignore[attr-defined]


def test_the_svg_says_in_words_what_it_shows() -> None:
    text = render_figure(figure_table(), "svg").decode()
    words = " ".join(re.findall(r">([^<>]+)</(?:text|tspan)>", text))
    for part in (
        "GILL, captions and pictures",
        "GLIDE, captions (paper)",
        "Captions given: the last ones of the story",
        "CLIP similarity ↑",
        "a &lt;small&gt; $run$",
        "mean over 2 seeds (0, 1). Examples scored per seed: 10 of 10.",
        "Band, the 95 % interval of the mean: bootstrap over 40 clusters of examples",
        "Hollow: what the paper prints.",
    ):
        assert part in words, part
    assert "<dc:date>" not in text
    assert "<script" not in text


def test_without_the_papers_numbers_no_point_is_hollow() -> None:
    text = render_figure(figure_table(compare=False), "svg").decode()
    assert "Hollow" not in text
    assert "GLIDE" not in text


def test_incomplete_points_and_points_without_a_band_are_told() -> None:
    rows = [
        result_row
        for result_row in results("figure-8")
        if (result_row.model, result_row.context, result_row.seed) != ("gill", "3-rounds", 1)
    ]
    made_table = build_table(Cards().report("figure-8"), Results(tuple(rows)), Cards())
    text = render_figure(made_table, "svg").decode()
    assert "seed 1 missing (GILL, 3 rounds)" in text
    assert "No band, as nothing tells of its spread." in text


@pytest.mark.filterwarnings("ignore:Glyph")
def test_any_name_can_be_drawn() -> None:
    rows = [*results("figure-8"), *results("figure-8", ("$x_1$ <b> \u6a21\u578b",))]
    text = render_figure(figure_table("figure-8", rows=rows), "svg").decode()
    assert "$x_1$ &lt;b&gt; \u6a21\u578b" in text
    assert render_figure(figure_table("figure-8", rows=rows), "png")[:4] == b"\x89PNG"


def test_a_file_holds_one_figure() -> None:
    figure, plain = figure_table(), table(usual_rows())
    assert render_file([plain, figure], "svg") == render_figure(figure, "svg")
    with pytest.raises(InputError, match=r"a figure is asked for, and none is among small; name one"):
        render_file([plain], "svg")
    with pytest.raises(InputError, match=r"one figure, these are 2: figure-6, figure-8"):
        render_file([figure_table(), figure_table("figure-8")], "png")
    with pytest.raises(InputError, match="is a table only"):
        render_figure(plain, "svg")


def test_a_figure_without_measured_points_is_refused() -> None:
    with pytest.raises(InputError, match="nothing on its axis was measured"):
        render_figure(figure_table(rows=[]), "svg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None}, "no column has an x"),
        ({"x": 1.0}, "two columns of series 'captions' have x = 1"),
        ({"metric": "lpips"}, "columns of different metrics or units"),
    ],
)
def test_layouts_that_cannot_be_drawn_are_refused(change: dict[str, Any], message: str) -> None:
    columns = [column.model_dump() for column in Cards().report("figure-6").columns]
    several = columns if change == {"x": None} else columns[:2]
    for column in several[-1:] if "metric" in change else several:
        column.update(change)
    with pytest.raises(InputError, match=message):
        figure_table(columns=columns)


def test_a_figure_in_a_page_is_a_picture_with_a_description() -> None:
    html = render_figure_html(figure_table())
    assert re.fullmatch(r'<img src="data:image/svg\+xml;base64,[\w+/=]+" alt="Figure 6\. [^"<>]+">\n', html)


def test_no_code_knows_a_figures_name() -> None:
    package = Path(render_figure.__code__.co_filename).parents[1]
    for file in package.rglob("*.py"):
        code = file.read_text(encoding="utf-8")
        assert not re.search(r"==\s*[\"']figure-\d|startswith\([\"']figure", code), file
