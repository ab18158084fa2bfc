"""A small run that the tests of all trackers share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.runs import run


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tracked") / "small"
    run(folder, limit=4, contexts=("1-caption",))
    return folder
