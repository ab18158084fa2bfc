"""Tables with pictures in a notebook: all text escaped, pictures small and inside the page."""

from __future__ import annotations

import base64
import io
import re

import pandas as pd
from PIL import Image

from gill_bench.reporting.notebook import Samples, thumbnail


def test_pictures_are_shown_and_text_is_escaped() -> None:
    picture = Image.new("RGBA", (300, 200), "red")
    frame = Samples({"<b>name": ["<script>&"], "value": [0.25], "none": [None], "picture": [picture]})
    html = frame._repr_html_()
    assert "<script>" not in html
    assert "<b>" not in html
    assert "&lt;script&gt;&amp;" in html
    assert "<td>0.25</td><td></td>" in html
    [source] = re.findall(r'<img src="data:image/png;base64,([^"]+)" width="112" height="75" alt="picture">', html)
    assert Image.open(io.BytesIO(base64.b64decode(source))).size == (112, 75)


def test_small_pictures_stay_as_they_are() -> None:
    assert 'width="32" height="32"' in thumbnail(Image.new("RGB", (32, 32)))


def test_long_tables_and_long_texts_are_cut_and_say_so() -> None:
    frame = Samples({"text": ["x" * 500] * 200})
    html = frame._repr_html_()
    assert html.count("<tr>") == 31
    assert "30 of 200 rows" in html
    assert "x" * 240 + " ..." in html
    assert "x" * 241 not in html


def test_a_selection_of_samples_shows_pictures_too() -> None:
    frame = Samples({"seed": [0, 1], "picture": [Image.new("RGB", (8, 8))] * 2})
    assert isinstance(frame.query("seed == 1"), Samples)
    assert frame.query("seed == 1")._repr_html_().count("<img") == 1
    assert isinstance(frame, pd.DataFrame)
