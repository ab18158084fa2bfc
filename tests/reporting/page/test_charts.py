"""A chart shows the numbers where they are, with their intervals, names and text alternatives."""

from __future__ import annotations

import pytest

from gill_bench.reporting.page.charts import Chart, Panel, view_chart
from gill_bench.reporting.page.numbers import task_numbers
from tests.support.made_up import around, seeds, table, usual_rows


def chart_of(rows: object, first: str = "gill") -> Chart:
    [numbers] = task_numbers([table(rows, intervals=around)], {}, {})  # type: ignore[arg-type]
    return view_chart(numbers, first, {"gill": "GILL"}, lambda context, metric, model: f"{context} {metric} {model}")


def value_at(panel: Panel, x: float) -> float:
    """The value at a percentage of the width, from the marks of the axis."""
    (x0, low), *_, (x1, high) = panel.ticks
    return float(low) + (x - x0) * (float(high) - float(low)) / (x1 - x0)


def test_points_and_intervals_lie_where_their_numbers_say() -> None:
    chart = chart_of(usual_rows())
    assert [panel.title for panel in chart.panels] == ["CLIP similarity", "LPIPS"]
    assert [panel.better for panel in chart.panels] == ["higher is better", "lower is better"]
    [one_caption, pictures] = chart.panels[0].rows
    assert (one_caption.title, pictures.title) == ("1 caption", "5 captions and 4 images")
    gill, diffusion = one_caption.marks
    assert (gill.sign.title, diffusion.sign.title) == ("GILL", "stable-diffusion")
    for mark, value in ((gill, 0.580), (diffusion, 0.591), (pictures.marks[0], 0.6415)):
        assert value_at(chart.panels[0], mark.x) == pytest.approx(value, abs=2e-4)
        assert mark.low is not None
        assert mark.high is not None
        assert value_at(chart.panels[0], mark.high) - value_at(chart.panels[0], mark.low) == pytest.approx(
            0.003, abs=2e-4
        )
        assert 0 < mark.low < mark.x < mark.high < 100
    assert one_caption.value == "0.580"
    assert one_caption.link == "1-caption clip-similarity gill"
    assert one_caption.text == ("1 caption: GILL 0.580 [0.5785, 0.5815]; stable-diffusion 0.591 [0.5895, 0.5925]")


def test_a_number_without_an_interval_is_a_point_that_says_so() -> None:
    [panel] = chart_of(seeds("gill", "1-caption", "clip-similarity", [0.5])).panels
    [mark] = panel.rows[0].marks
    assert (mark.low, mark.high) == (None, None)
    assert mark.text == "GILL 0.500, no interval"
    assert mark.x == pytest.approx(50)
    assert len(panel.ticks) > 1


@pytest.mark.parametrize("value", [0.0, -3.5, 1e-7, 250_000.0])
def test_one_value_of_any_size_has_an_axis(value: float) -> None:
    [panel] = chart_of(seeds("gill", "1-caption", "clip-similarity", [value])).panels
    assert len({text for _, text in panel.ticks}) == len(panel.ticks) > 1
    assert all(0 <= x <= 100 for x, _ in panel.ticks)


def test_models_differ_in_shape_or_filling_and_the_claimed_one_comes_first() -> None:
    models = [f"model-{number}" for number in range(10)]
    rows = [row for model in models for row in seeds(model, "1-caption", "clip-similarity", [0.5, 0.6])]
    chart = chart_of(rows, first="model-7")
    assert chart.signs[0].title == "model-7"
    assert [sign.kind for sign in chart.signs].count("first") == 1
    assert len({(sign.path, sign.kind) for sign in chart.signs}) == 10
    [row] = chart.panels[0].rows
    assert row.marks[0].sign.title == "model-7"
    heights = [mark.y for mark in row.marks]
    assert heights == sorted(heights)
    assert 0 < heights[0] < heights[-1] < row.height


def test_a_model_without_a_number_leaves_no_mark_and_no_value() -> None:
    rows = [*seeds("gill", "1-caption", "clip-similarity", [0.5]), *seeds("glide", "1-caption", "lpips", [0.5])]
    chart = chart_of(rows)
    assert [[mark.sign.title for mark in panel.rows[0].marks] for panel in chart.panels] == [["GILL"], ["glide"]]
    assert [panel.rows[0].value for panel in chart.panels] == ["0.500", ""]
