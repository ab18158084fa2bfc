"""The leaderboard as a page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gill_bench.analysis.leaderboard import leaderboard
from gill_bench.cards.find import Cards
from gill_bench.reporting.leaderboard import write_leaderboard_page
from tests.support.axe import serious_violations
from tests.support.made_up_run import made_up
from tests.support.runs import write_made_up_spec


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_the_leaderboard(tab: Any, tmp_path: Path, scheme: str) -> None:
    values = np.random.default_rng(0).random((30, 2))
    made_up(tmp_path / "runs" / "better", values)
    made_up(tmp_path / "runs" / "worse", values - 0.3)
    (tmp_path / "runs" / "unscored").mkdir()
    write_made_up_spec(tmp_path / "runs" / "unscored", [{"task": "vist", "model": "m", "context": "c"}])
    page = write_leaderboard_page(leaderboard(tmp_path / "runs", Cards()), tmp_path / "page")
    tab.emulate_media(color_scheme=scheme)
    tab.goto(page.as_uri())
    assert tab.locator("table").count() > 0
    assert serious_violations(tab) == []
