"""What tests do with a page that is open in a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs


def until(tab: Any, condition: str) -> None:
    """Wait for a condition; the library's own waiting evaluates texts, which the page forbids."""
    for _ in range(15_000):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(20)
    raise AssertionError(f"never true: {condition}")


def draw_plots(tab: Any) -> None:
    """Open the plots, and wait until they are drawn, which is when the browser tells them their size."""
    tab.locator("#draw").click()
    until(tab, "document.querySelector('.plot-area.histogram canvas').hasAttribute('aria-label')")


def show(tab: Any, page: Path, name: str, fragment: str = "") -> None:
    """Open a page of a folder, and wait until it shows its examples."""
    tab.goto("about:blank")  # an address that differs after # alone would not load anew
    tab.goto((page / name).as_uri() + fragment)
    if name == "index.html":
        until(tab, LAID_OUT)
    else:
        until(tab, "document.querySelector('#status').textContent.includes('examples')")
        until(tab, FILLED)


def choices(tab: Any) -> dict[str, str]:
    """The choices that the page's address holds; the page is asked, as the library hears of an address later."""
    return {name: values[0] for name, values in parse_qs(tab.evaluate("location.hash.slice(1)")).items()}


def boxes(elements: Any) -> list[dict[str, float]]:
    """Where the elements of a locator stand in the window, in pixels, all at one moment."""
    measured: list[dict[str, float]] = elements.evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect().toJSON())"
    )
    return measured


def scroll(tab: Any, top: str) -> None:
    """Scroll at once to a height, an expression in pixels; by itself the page glides there."""
    tab.evaluate(f"scrollTo({{ top: {top}, behavior: 'instant' }})")


HEIGHT = "document.documentElement.scrollHeight"
"""The height of the whole page, in pixels."""
LAID_OUT = """new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(
    [...document.images].every((img) => img.complete || img.getBoundingClientRect().top > innerHeight)))))"""
"""A condition of a report that has been loaded: two frames were drawn, and the pictures in the window are there."""
FILLED = """[...document.querySelectorAll('.example')].every((card) => card.querySelector('.context, .hint'))"""
"""A condition: every card in the document has its content."""


def ids(tab: Any) -> list[str]:
    """The numbers of the examples whose cards are in the document, in order."""
    names: list[str] = tab.locator(".example h2").all_text_contents()
    return [name.removeprefix("example-") for name in names]


def first_is(tab: Any, number: int) -> None:
    """Wait until the first card is that of an example."""
    until(tab, f"document.querySelector('.example h2')?.textContent === 'example-{number}'")
    until(tab, FILLED)
