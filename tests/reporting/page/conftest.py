"""A real browser for the tests of the page; these are skipped on machines without one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

PATIENCE = 300_000.0
"""Milliseconds in which a browser does what it was told, also on a busy machine."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    program = os.environ.get("GILL_BENCH_TEST_BROWSER") or next(filter(None, map(shutil.which, names)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(names)}, nor GILL_BENCH_TEST_BROWSER")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE)
        yield opened
        opened.close()


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
