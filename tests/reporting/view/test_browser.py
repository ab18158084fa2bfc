"""A run that grows, followed by a real browser; skipped on machines without one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gill_bench.reporting.view import viewed
from tests.reporting.page.in_browser import HEIGHT, scroll
from tests.reporting.view.conftest import Serve, grow
from tests.support.axe import serious_violations
from tests.support.chromium import watched_page

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.enable_socket


@pytest.fixture
def tab(browser: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A page that fails its test if the console reports anything, or anything but this machine is asked."""
    monkeypatch.setattr(viewed, "_REST", 0)
    with watched_page(browser, 900, 500, ("http://127.0.0.1:", "data:")) as opened:
        yield opened


def until(tab: Any, condition: str) -> None:
    """Wait until a condition holds, through reloads of the page; an hour is never reached but by a defect."""
    for _ in range(36_000):
        try:
            if tab.evaluate(condition):
                return
        except playwright.Error as error:  # the page is just being loaded again
            if "context was destroyed" not in str(error):
                raise
        tab.wait_for_timeout(100)
    raise AssertionError(f"never true: {condition}")


VERSION = "document.querySelector('script[data-version]')?.dataset.version"
SECOND = "[...document.body.children].some((part) => part.id !== 'follow' && part.innerHTML.includes('5-captions'))"


def test_the_gallery_follows_and_keeps_its_place(growing: Path, serve: Serve, tab: Any) -> None:
    tab.goto(f"{serve(growing).address}gallery-vist.html")
    until(tab, "document.querySelectorAll('main img').length > 0")
    assert not tab.evaluate(SECOND)
    until(tab, f"{HEIGHT} > innerHeight + 200")
    scroll(tab, "150")
    version = tab.evaluate(VERSION)
    grow(growing)
    until(tab, f"({VERSION} ?? '{version}') !== '{version}'")
    until(tab, SECOND)
    until(tab, "scrollY === 150")


def test_the_report_keeps_the_part_of_its_address_after_the_hash(growing: Path, serve: Serve, tab: Any) -> None:
    tab.goto(f"{serve(growing).address}#provenance")
    until(tab, "document.querySelector('#follow .line').textContent !== ''")
    version = tab.evaluate(VERSION)
    grow(growing)
    until(tab, f"({VERSION} ?? '{version}') !== '{version}'")
    assert tab.evaluate("location.hash") == "#provenance"


def test_the_strip_says_how_the_run_is_and_an_open_dialog_is_left_alone(growing: Path, serve: Serve, tab: Any) -> None:
    tab.goto(serve(growing).address)
    until(tab, "document.querySelector('#follow .line').textContent.includes('8 of 32 samples')")
    tab.locator("#follow summary").click()
    until(tab, "document.querySelectorAll('#follow .last img').length === 6")
    assert serious_violations(tab) == []
    until(tab, "[...document.querySelectorAll('#follow .last img')].every((image) => image.naturalWidth > 0)")
    tab.evaluate(
        "{ const dialog = document.createElement('dialog'); document.body.append(dialog); dialog.showModal(); }"
    )
    version = tab.evaluate(VERSION)
    grow(growing)
    # The strip is renewed, and the page is not loaded again before the dialog is closed.
    until(tab, "document.querySelector('#follow .line').textContent.includes('16 of 32 samples')")
    assert tab.evaluate(VERSION) == version
    tab.evaluate("document.querySelector('dialog[open]').close()")
    until(tab, f"({VERSION} ?? '{version}') !== '{version}'")
    until(tab, "document.querySelector('#follow details')?.open")


def test_a_folder_of_runs_leads_to_each(growing: Path, serve: Serve, tab: Any) -> None:
    tab.goto(serve(growing.parent).address)
    until(tab, "document.querySelectorAll('#runs a').length === 1")
    assert "8 of 32 samples" in tab.locator("#runs").inner_text()
    assert serious_violations(tab) == []
    tab.locator("#runs a").click()
    until(tab, "document.querySelector('#follow a')?.textContent === 'All runs'")
    tab.locator("#follow a").first.click()
    until(tab, "document.querySelectorAll('#runs a').length === 1")
