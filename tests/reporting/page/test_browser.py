"""The page in a real browser, opened from disk as a reader does; skipped on machines without a browser."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards
from gill_bench.reporting.page import write_page
from tests.reporting.page.content import HOSTILE, METRIC, content, gallery
from tests.reporting.page.in_browser import show
from tests.support.made_up import table, usual_rows


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with 30 examples and a page with hostile texts, which tests must not change."""
    folder = tmp_path_factory.mktemp("page")
    write_page(folder / "page", content(folder, gallery(folder, count=30)))
    write_page(folder / "hostile", content(folder, texts=HOSTILE))
    wide = content(folder, texts=["W" * 300])
    beside_the_paper = table(usual_rows(), Cards().published(), ("W" * 300,))
    write_page(folder / "wide", replace(wide, tables=[beside_the_paper], to_paste=wide.tables))
    return folder / "page"


def test_a_number_opens_what_stands_behind_it_and_leads_to_its_samples(tab: Any, page: Path) -> None:
    show(tab, page, "index.html")
    tab.get_by_role("link", name="0.580", exact=False).first.click()
    dialog = tab.locator("#behind")
    text = dialog.inner_text()
    for part in ("GILL", "size", "224", "−0.0105 [−0.0123, −0.0087]", "0.031 (0.062)", "worse", "10 of 10"):
        assert part in text
    tab.keyboard.press("Escape")
    assert not dialog.is_visible()
    tab.get_by_role("link", name="0.580", exact=False).first.click()
    dialog.get_by_role("link", name="See its samples").click()
    tab.wait_for_selector(".example")
    assert tab.locator("#a").input_value() == "gill"
    assert tab.locator("#metric").input_value() == METRIC


def test_hostile_texts_are_read_not_run(tab: Any, page: Path) -> None:
    for name in ("index.html", "gallery-vist.html"):
        show(tab, page.with_name("hostile"), name)
        assert tab.evaluate("globalThis.hit") is None
        text = tab.locator("body").inner_text()
        assert HOSTILE[0] in text
    assert HOSTILE[1] in text
    assert tab.locator(".strip script, .strip svg, .example script").count() == 0
    tab.locator("button.shot").first.click()
    tab.wait_for_selector("#viewer[open]")
    assert tab.evaluate("globalThis.hit") is None


def test_markup_that_gets_in_would_not_run(browser: Any, page: Path, tmp_path: Path) -> None:
    """The page's policy (CSP) stops scripts even where an escape failed."""
    shutil.copytree(page, tmp_path / "page")
    index = tmp_path / "page" / "index.html"
    broken = index.read_text("utf-8").replace(
        "</main>", "<script>window.hit = 1</script><img src=x onerror='hit=2'></main>"
    )
    index.write_text(broken, "utf-8")
    refused: list[str] = []
    tab = browser.new_page()
    tab.on("console", lambda message: refused.append(message.text))
    tab.goto(index.as_uri())
    assert tab.evaluate("globalThis.hit") is None
    assert any("Content Security Policy" in text for text in refused)
    tab.close()


@pytest.mark.parametrize(
    ("width", "scheme"),
    [
        (1200, "light"),
        (360, "dark"),
        pytest.param(1200, "dark", marks=pytest.mark.slow),
        pytest.param(360, "light", marks=pytest.mark.slow),
    ],
)
def test_text_has_contrast_and_no_page_is_wider_than_its_window(
    browser: Any, page: Path, width: int, scheme: str
) -> None:
    """Text has a contrast of at least 4.5 to 1 (WCAG AA), and no page is wider than its window."""
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    for folder, name in product((page, page.with_name("wide")), ("index.html", "gallery-vist.html")):
        show(tab, folder, name)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), (folder, name)
        assert tab.evaluate(CONTRAST) == []
    tab.close()


CONTRAST = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (one) => {
    for (let at = one; at; at = at.parentElement) {
      const found = parse(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] === 1) return found;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const one of document.querySelectorAll('body *')) {
    const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !one.checkVisibility() || one.disabled || one.tagName === 'OPTION') continue;
    const [a, b] = [light(parse(getComputedStyle(one).color)), light(behind(one))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.push(`${one.tagName}.${one.className}: ${ratio.toFixed(2)}`);
  }
  return poor;
}"""
