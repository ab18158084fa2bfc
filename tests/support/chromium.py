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
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Iterator[Any]:
    """Playwright's browser while the context lasts: GILL_BENCH_TEST_BROWSER, or the first on the PATH."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = os.environ.get("GILL_BENCH_TEST_BROWSER") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"no browser: none of {', '.join(_NAMES)}, nor GILL_BENCH_TEST_BROWSER")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"], timeout=PATIENCE)
        yield opened
        opened.close()
