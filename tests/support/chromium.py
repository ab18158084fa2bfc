"""A real browser for tests of the page; they are skipped on machines without one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PATIENCE = 300_000.0
"""Milliseconds in which a browser does what it was told, also on a busy machine."""
_NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""Programs, the preferred one first: it is the same browser without windows, in half the processor time."""


def browser_program() -> str | None:
    """GILL_BENCH_TEST_BROWSER, or the first browser on the PATH; None without one."""
    return os.environ.get("GILL_BENCH_TEST_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)


@contextmanager
def chromium() -> Iterator[Any]:
    """Playwright's browser while the context lasts."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = browser_program()
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)}, nor GILL_BENCH_TEST_BROWSER")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE)
        yield opened
        opened.close()


@contextmanager
def watched_page(browser: Any, width: int, height: int, own: tuple[str, ...]) -> Iterator[Any]:
    """A page of a browser, in pixels; its test fails if its console reports anything, or if it asks others than `own`.

    `own` are the beginnings of the addresses that the page may ask.
    """
    opened = browser.new_page(viewport={"width": width, "height": height})
    opened.set_default_timeout(PATIENCE)
    trouble: list[str] = []
    opened.on("console", lambda message: trouble.append(message.text))
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on("request", lambda request: trouble.extend([] if request.url.startswith(own) else [request.url]))
    yield opened
    opened.close()
    assert trouble == []
