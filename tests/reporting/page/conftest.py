"""A tab of a real browser for the tests of the page; these are skipped on machines without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chromium import watched_page


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page that fails its test if anything is reported to the console or requested from the network."""
    with watched_page(browser, 1280, 800, ("file:", "data:", "blob:")) as opened:
        yield opened
