"""The mini world, written once per test session."""

from __future__ import annotations

from pathlib import Path

import pytest

from gill_bench.mini.embedded import world_folder


@pytest.fixture(scope="session")
def world() -> Path:
    return world_folder()
