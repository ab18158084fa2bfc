"""The grid of pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gill_bench.analysis.galleries import picture_sheet
from gill_bench.cli import main
from gill_bench.evaluate import cells_of
from gill_bench.reporting.grid import GridRow, draw_grid
from gill_bench.storage.images import load_image
from tests.support.runs import run


def test_pictures_stand_in_their_cells() -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (300, 200), "blue")
    grid = draw_grid(["one", "two", "three"], [GridRow([(red, "a word " * 30), (None, ""), (blue, "")])])
    pixels = np.asarray(grid)
    assert (pixels == (255, 0, 0)).all(axis=-1).sum() == 112 * 112
    assert (pixels == (0, 0, 255)).all(axis=-1).sum() == 112 * 112
    assert draw_grid(["one"], []).size[1] < 112


def test_the_picture_sheet_shows_prompts_and_outputs(tmp_path: Path) -> None:
    run(tmp_path / "run", limit=6)
    cells = cells_of(tmp_path / "run")
    examples = picture_sheet(tmp_path / "run", cells, 10)
    assert [example.example for example in examples] == ["1024", "1026", "1028"]  # one of each photo sequence
    assert list(examples[0].outputs) == [("noisy", name) for name in ("1-caption", "5-captions", "5-captions-4-images")]
    assert [picture is None for _, picture in examples[0].turns] == [False] * 4 + [True]
    task = cells[0].task
    assert examples[0].target is not None
    assert task.examples[0].target is not None
    assert task.examples[0].target.file is not None
    assert np.array_equal(np.asarray(examples[0].target), np.asarray(load_image(task.examples[0].target.file)))


def test_the_command_report_draws_the_grid_of_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path / "run", limit=4)
    words = ["report", str(tmp_path / "run"), "--pictures", str(tmp_path / "grid.png"), "--examples", "2"]
    assert main([*words, "--cards", "tests/cards"]) == 0
    assert load_image(tmp_path / "grid.png").size[0] == 8 * 120 + 8
    assert main(["report", str(tmp_path / "run"), "--pictures", str(tmp_path / "no" / "grid.png")]) == 2
    assert "does not exist" in capsys.readouterr().err
