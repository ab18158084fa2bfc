"""The picture of the README shows what the embedded models paint now."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.readme_pictures import PICTURES, draw_stories, run_stories


def test_the_stories_of_the_readme_are_what_the_models_paint(tmp_path: Path) -> None:
    """The first story alone, which takes a few seconds: its row, and the headings, are the top of the whole picture."""
    drawn = np.asarray(draw_stories(run_stories(tmp_path, stories=1), stories=1), dtype=np.int16)
    with Image.open(PICTURES / "stories.png") as file:
        whole = np.asarray(file.convert("RGB"), dtype=np.int16)
    assert whole.shape[1] == drawn.shape[1]
    difference = np.abs(whole[: drawn.shape[0]] - drawn)
    assert difference.mean() < 1  # grey levels: other fonts, 256 colours in the file, and float rounding
    blank = np.abs(np.full_like(drawn, 255) - drawn)
    assert blank.mean() > 40  # there are pictures to compare
