"""A real browser for the tests of the page; these are skipped on machines without one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.chromium import PATIENCE, chromium


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def tab(browser: Any) -> Iterator[Any]:
    """A page that fails its test if anything is reported to the console or requested from the network."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(PATIENCE)
    trouble: list[str] = []
    opened.on("console", lambda message: trouble.append(message.text))
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    local = ("file:", "data:", "blob:")
    opened.on("request", lambda request: trouble.extend([] if request.url.startswith(local) else [request.url]))
    yield opened
    opened.close()
    assert trouble == []
