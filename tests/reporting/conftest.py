"""A real browser for the tests of pages; these are skipped on machines without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chromium import chromium


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """One for all folders of this package: a browser takes seconds to start."""
    with chromium() as opened:
        yield opened
