"""The page in a real browser, opened from disk as a reader does; skipped on machines without a browser."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from gill_bench.analysis.gallery_records import ExampleScores, Gallery, GalleryExample, Lost, ShownOutput
from gill_bench.cards.find import Cards
from gill_bench.reporting.page import write_page
from tests.reporting.page.content import CONTEXT, HOSTILE, METRIC, MODELS, content, gallery
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


def until(tab: Any, condition: str) -> None:
    """Wait for a condition; the library's own waiting evaluates texts, which the page forbids."""
    for _ in range(500):
        if tab.evaluate(condition):
            return
        tab.wait_for_timeout(20)
    raise AssertionError(f"never true: {condition}")


def show(tab: Any, page: Path, name: str, query: str = "") -> None:
    tab.goto("about:blank")  # an address that differs after # alone would not load anew
    tab.goto((page / name).as_uri() + query)
    if name != "index.html":
        until(tab, "document.querySelector('#status').textContent.includes('examples')")
    else:
        tab.wait_for_load_state("networkidle")


def ids(tab: Any) -> list[str]:
    headings: list[str] = tab.locator(".example h2").all_text_contents()
    return [name.removeprefix("example-") for name in headings]


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


def test_an_example_shows_prompt_target_and_each_seed_of_each_model(tab: Any, page: Path) -> None:
    show(tab, page, "gallery-vist.html")
    first = tab.locator(".example").first
    assert first.locator(".prompt > li").all_inner_texts() == ["caption 0", "", "and then"]
    assert first.locator(".prompt img").get_attribute("alt") == "Picture 1 of the prompt"
    assert first.locator(".target img").count() == 1
    assert [row.locator("button.shot").count() for row in first.locator(".row:not(.target)").all()] == [2, 2]
    until(tab, "[...document.images].slice(0, 6).every((one) => one.complete)")
    assert tab.locator(".example img").first.evaluate("(one) => one.naturalWidth") == 32
    assert all(image.get_attribute("alt") for image in tab.locator("img").all())


def test_examples_are_sorted_filtered_paged_and_counted_as_wins_and_losses(tab: Any, page: Path) -> None:
    show(tab, page, "gallery-vist.html", "#a=gill&b=stable-diffusion")
    assert ids(tab) == [str(number) for number in range(25)]
    # GILL has e / 10 + 0.005 on average, the other one 0.1: it loses example 0 alone.
    assert tab.locator("#duel .names").inner_text().split("\n") == ["A GILL wins 29", "B SD wins 1"]
    assert "GILL − SD: −0.0105 [−0.0123, −0.0087]" in tab.locator("#duel").inner_text()
    tab.locator("#sort").select_option("a-over-b")
    until(tab, "document.querySelector('.example h2').textContent === 'example-29'")
    assert ids(tab) == [str(number) for number in range(29, 4, -1)]
    tab.get_by_role("button", name="Next").click()
    until(tab, "document.querySelector('.example h2').textContent === 'example-4'")
    assert ids(tab) == ["4", "3", "2", "1", "0"]
    tab.locator("#show").select_option("b")
    until(tab, "document.querySelectorAll('.example').length === 1")
    assert ids(tab) == ["0"]
    tab.locator("#query").fill("nobody wrote this")
    until(tab, "document.querySelector('#status').textContent === 'None of the examples (of 30) is like this.'")
    assert ids(tab) == []
    tab.locator("#show").select_option("all")
    tab.locator("[data-fact=kind]").select_option("odd")
    tab.locator("#query").fill("CAPTION 2")
    until(tab, "document.querySelector('#status').textContent.startsWith('1–5 of 5')")
    assert ids(tab) == ["29", "27", "25", "23", "21"]
    address = tab.url.partition("#")[2]
    show(tab, page, "gallery-vist.html", f"#{address}")
    assert ids(tab) == ["29", "27", "25", "23", "21"]


def test_without_a_seed_means_and_pictures_are_of_the_others(tab: Any, page: Path) -> None:
    show(tab, page, "gallery-vist.html", "#a=gill&b=stable-diffusion&sort=a-best")
    tab.locator("#seeds label", has_text="1").click()
    until(tab, "document.querySelector('.example .row:not(.target)').querySelectorAll('.shot').length === 1")
    assert "A 2.9000 B 0.1000" in tab.locator(".example header").first.inner_text()
    assert "of the seeds that are shown" in tab.locator("#duel").inner_text()
    tab.locator("#models label", has_text="SD").click()
    until(tab, "document.querySelector('.example').querySelectorAll('.row:not(.target)').length === 1")


def test_the_keyboard_goes_through_pictures(tab: Any, page: Path) -> None:
    show(tab, page, "gallery-vist.html")
    focused = "document.activeElement.matches('.shot') && document.activeElement.querySelector('img').alt"
    while not tab.evaluate(focused):
        tab.keyboard.press("Tab")
    assert "SD, example example-0, seed 0" in tab.evaluate(focused)
    tab.keyboard.press("ArrowRight")
    assert "SD, example example-0, seed 1" in tab.evaluate(focused)
    tab.keyboard.press("ArrowDown")
    assert "GILL, example example-0, seed 1" in tab.evaluate(focused)
    tab.keyboard.press("ArrowDown")
    assert "SD, example example-1, seed 1" in tab.evaluate(focused)
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("Enter")
    tab.wait_for_selector("#viewer[open]")
    assert "SD seed 1" in tab.locator("#viewer").inner_text()
    tab.keyboard.press("ArrowUp")
    until(tab, "document.querySelector('#viewer').innerText.includes('example-0')")
    tab.keyboard.press("Escape")
    assert not tab.locator("#viewer").is_visible()
    assert "GILL, example example-0, seed 1" in tab.evaluate(focused)


def test_hostile_texts_are_read_not_run(tab: Any, page: Path) -> None:
    for name in ("index.html", "gallery-vist.html"):
        show(tab, page.with_name("hostile"), name)
        assert tab.evaluate("globalThis.hit") is None
        text = tab.locator("body").inner_text()
        assert HOSTILE[0] in text
    assert HOSTILE[1] in text
    assert tab.locator(".prompt script, .prompt svg, .example script").count() == 0
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


def test_texts_and_values_are_shown_where_there_are_no_pictures(tab: Any, tmp_path: Path) -> None:
    examples = [
        GalleryExample(
            "q1", "q1", ("what is it?",), None, ("a dog", "dog"), {}, {"gill": (ShownOutput(0, None, " a cat"),)}
        ),
        GalleryExample("q2", "q2", ("and this?",), None, (), {}, {"gill": (ShownOutput(0, tmp_path / "gone.png"),)}),
    ]
    scores = [ExampleScores("vqa-accuracy", True, {"gill": {0: {"q1": 0.3}}})]
    write_page(tmp_path / "page", content(tmp_path, Gallery("vist", "Words", CONTEXT, MODELS[1:], examples, scores)))
    show(tab, tmp_path / "page", "gallery-vist.html", "#sort=a-best")
    first, second = tab.locator(".example").all()
    assert first.locator(".words").all_inner_texts() == ["a cat\n\n0.3000"]
    assert "a dog" in first.locator(".target").inner_text()
    assert "no picture" in second.inner_text()
    assert not tab.locator("#duel").is_visible()


def test_examples_without_an_output_show_their_reason_and_can_be_filtered(tab: Any, tmp_path: Path) -> None:
    whole = gallery(tmp_path, count=4)
    first, second, *rest = whole.examples
    hostile = "KeyError: '<b>unk</b>' at my_model.py:12"
    first = replace(
        first, outputs={"gill": first.outputs["gill"]}, lost={MODELS[0]: (Lost("failed", (0, 1), hostile),)}
    )
    nothing = {model: (Lost("missing", (), "picture 7: no such file"),) for model in MODELS}
    second = replace(second, outputs={}, lost=nothing)
    write_page(tmp_path / "page", content(tmp_path, replace(whole, examples=[first, second, *rest])))
    show(tab, tmp_path / "page", "gallery-vist.html", "#show=lost")
    assert ids(tab) == ["0", "1"]
    reasons = tab.locator(".lost").all_inner_texts()
    assert reasons == [f"failed: {hostile}\n\nseeds 0, 1", *["missing: picture 7: no such file"] * 2]
    show(tab, tmp_path / "page", "gallery-vist.html", f"#show=lost&without={MODELS[0]}")
    assert ids(tab) == ["1"]
    show(tab, tmp_path / "page", "gallery-vist.html", "#q=my_model.py")
    assert ids(tab) == ["0"]


def test_without_a_test_nothing_stands_under_the_bar(tab: Any, tmp_path: Path) -> None:
    """A gallery whose examples form one cluster has no test."""
    write_page(tmp_path / "page", replace(content(tmp_path, gallery(tmp_path)), tests=[]))
    show(tab, tmp_path / "page", "gallery-vist.html")
    assert "examples that both have" in tab.locator("#duel").inner_text()
    assert "null" not in tab.locator("body").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 360])
def test_text_has_contrast_and_no_page_is_wider_than_its_window(
    browser: Any, page: Path, scheme: str, width: int
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
