"""The dialog of an example, and the keyboard in the gallery, in a real browser."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from gill_bench.analysis.gallery_records import PictureFile
from gill_bench.reporting.page import write_page
from tests.reporting.page.content import content
from tests.reporting.page.in_browser import boxes, choices, draw_plots, show, until
from tests.reporting.page.story_contexts import stories
from tests.support.axe import serious_violations

NAME = "gallery-vist.html"
OPEN = "document.querySelector('#viewer').open"
FOCUSED = "document.activeElement.matches('.shot') && document.activeElement.querySelector('img').alt"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page inside its run's folder, whose truth is too large for a thumbnail; tests must not change it."""
    folder = tmp_path_factory.mktemp("dialog")
    large = folder / "data" / "large.jpg"
    large.parent.mkdir()
    Image.effect_noise((640, 480), 60).convert("RGB").save(large)
    galleries = stories(
        folder, count=4, change=lambda example, context: replace(example, target=PictureFile("large", large))
    )
    write_page(folder / "run" / "page", content(folder, *galleries, inside=folder / "run"))
    return folder / "run" / "page"


def captions(tab: Any) -> list[str]:
    """The first line below each picture of the dialog."""
    until(tab, OPEN)
    return [text.split("\n")[0] for text in tab.locator("#viewer figcaption").all_inner_texts()]


def opened(tab: Any, button: Any) -> list[str]:
    button.click()
    return captions(tab)


def test_an_output_stands_beside_that_of_the_other_side_and_the_truth(tab: Any, page: Path) -> None:
    show(tab, page, NAME)
    first = tab.locator(".example").first
    assert opened(tab, first.locator(".is-a")) == ["A GILL", "B GILL", "Truth"]
    text = tab.locator("#viewer").inner_text()
    for part in (
        "3 captions, 2 images, seed 0",
        "3 captions, seed 0",
        "clip-similarity\n0.5000",
        "caption 0 of story 0",
    ):
        assert part in text
    assert (choices(tab)["example"], choices(tab)["cell"]) == ("example-0", "gill/3-captions-2-images/0")
    tab.get_by_role("button", name="Close").click()
    until(tab, "!location.hash.includes('example=')")  # a dialog says that it was closed a moment later
    assert "GILL, 3 captions, 2 images" in tab.evaluate(FOCUSED)
    assert opened(tab, first.locator(".is-b")) == ["B GILL", "A GILL", "Truth"]


def test_context_and_truth_open_too_and_the_truth_is_in_full_size(tab: Any, page: Path) -> None:
    show(tab, page, NAME)
    first = tab.locator(".example").first
    assert opened(tab, first.locator(".frame").nth(1).locator("button")) == ["Picture 2 of the context", "Truth"]
    tab.keyboard.press("Escape")
    assert opened(tab, first.locator(".truth button")) == ["Truth", "A GILL", "B GILL"]
    truth = tab.locator("#viewer figure").first
    until(tab, "document.querySelector('#viewer img').complete")
    assert truth.locator("img").evaluate("(image) => [image.naturalWidth, image.naturalHeight]") == [640, 480]
    original = truth.get_by_role("link", name="Original file").get_attribute("href")
    assert (page / original).is_file()
    # The output's file is so small that the page has all of it.
    saved = tab.locator("#viewer figure").nth(1).get_by_role("link", name="Save the picture")
    assert saved.get_attribute("href").startswith("data:image/png;")
    assert saved.get_attribute("download") == "example-0-gill-3-captions-2-images-0.png"


def test_the_address_opens_an_example_and_its_cell(tab: Any, page: Path) -> None:
    show(tab, page, NAME, "#example=example-2")
    assert captions(tab) == ["A GILL", "B GILL", "Truth"]
    assert tab.locator("#viewer-title").inner_text() == "example-2"
    show(tab, page, NAME, "#example=example-3&cell=stable-diffusion/1-caption/1")
    assert captions(tab) == ["SD", "B GILL", "Truth"]
    assert "1 caption, seed 1" in tab.locator("#viewer").inner_text()
    assert "3 captions, seed 1" in tab.locator("#viewer").inner_text()  # B's picture of the same seed
    show(tab, page, NAME, "#example=example-1&cell=truth")
    assert captions(tab)[0] == "Truth"
    tab.goto("about:blank")
    tab.goto((page / NAME).as_uri() + "#example=nobody")
    until(tab, "document.querySelector('#status').textContent === 'No example is called nobody.'")
    assert not tab.locator("#viewer").is_visible()


def test_names_of_models_may_hold_the_signs_of_an_address(tab: Any, page: Path) -> None:
    """Two settings of one model are called `GILL, guidance 3.0`, and a user may choose any name."""
    show(tab, page, NAME)
    cell = ["GILL, 3/4 of %2C", "1-caption", "0"]
    assert tab.evaluate("(cell) => readCell(together(cell, '/'))", cell) == cell
    assert tab.evaluate("(cell) => separate(together(cell, ','), ',')", cell) == cell


@pytest.mark.parametrize(("width", "scheme"), [(1280, "dark"), (400, "light")])
def test_axe_finds_nothing_serious_in_gallery_and_dialog(browser: Any, page: Path, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    show(tab, page, NAME)
    tab.locator("#more").click()
    draw_plots(tab)
    assert serious_violations(tab) == []
    tab.locator(".example .is-a").first.click()
    until(tab, OPEN)
    assert serious_violations(tab) == []
    assert tab.evaluate("document.querySelector('#viewer').scrollWidth <= innerWidth")
    show(tab, page, NAME, "#q=nothing")
    assert serious_violations(tab) == []
    tab.close()


def test_paper_has_the_examples_in_view_and_no_controls(tab: Any, page: Path) -> None:
    show(tab, page, NAME)
    tab.emulate_media(media="print")
    cards = boxes(tab.locator(".example"))
    assert len(cards) == 4
    for above, below in pairwise(cards):
        assert below["y"] >= above["y"] + above["height"]
    for hidden in ("#controls", "#csv", "#gains", ".plain-link >> nth=0"):
        assert not tab.locator(hidden).is_visible(), hidden
    assert tab.locator(".truth img").first.is_visible()


def test_zoom_is_the_same_for_all_pictures(tab: Any, page: Path) -> None:
    show(tab, page, NAME, "#example=example-0")
    captions(tab)
    sizes = "(lenses) => lenses.map((lens) => Math.round(lens.querySelector('img').clientWidth / lens.clientWidth))"
    lenses = tab.locator("#viewer .lens")
    assert lenses.evaluate_all(sizes) == [1, 1, 1]
    tab.keyboard.press("+")
    tab.get_by_role("button", name="Zoom in").click()
    assert lenses.evaluate_all(sizes) == [4, 4, 4]
    lenses.first.evaluate("(lens) => { lens.scrollLeft = 40; lens.scrollTop = 30; }")
    until(
        tab, "[...document.querySelectorAll('.lens')].every((lens) => lens.scrollLeft === 40 && lens.scrollTop === 30)"
    )
    lenses.first.locator("img").click()
    assert lenses.evaluate_all(sizes) == [1, 1, 1]


def test_arrow_keys_go_through_the_dialog(tab: Any, page: Path) -> None:
    show(tab, page, NAME, "#example=example-0&cell=given/1")
    assert captions(tab)[0] == "Picture 2 of the context"
    tab.keyboard.press("ArrowRight")
    until(tab, "document.querySelector('#viewer figcaption').textContent.startsWith('Truth')")
    tab.keyboard.press("ArrowRight")
    until(tab, "document.querySelector('#viewer figcaption').textContent.includes('1 caption')")
    tab.keyboard.press("ArrowDown")
    until(tab, "document.querySelector('#viewer-title').textContent === 'example-1'")
    tab.keyboard.press("ArrowUp")
    until(tab, "document.querySelector('#viewer-title').textContent === 'example-0'")
    assert tab.get_by_role("button", name="‹ Previous").is_disabled()
    tab.keyboard.press("Escape")
    until(tab, FOCUSED)
    assert "GILL, 1 caption, example example-0" in tab.evaluate(FOCUSED)


def test_the_keyboard_goes_through_the_list(tab: Any, page: Path) -> None:
    show(tab, page, NAME)
    for _ in range(60):
        if tab.evaluate(FOCUSED):
            break
        tab.keyboard.press("Tab")
    assert tab.evaluate(FOCUSED) == "Picture 1 of the context of example-0"
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate(FOCUSED) == "Picture 2 of the context of example-0"
    tab.keyboard.press("Tab")
    tab.keyboard.press("Tab")  # past the table, which is a region that scrolls
    assert tab.evaluate(FOCUSED).startswith("GILL, 3 captions, 2 images, example example-0")
    tab.keyboard.press("ArrowLeft")
    assert tab.evaluate(FOCUSED).startswith("GILL, 3 captions, example example-0")
    tab.keyboard.press("ArrowDown")
    assert tab.evaluate(FOCUSED).startswith("SD, 3 captions, example example-0")
    tab.keyboard.press("ArrowDown")
    until(tab, "document.activeElement.querySelector('img')?.alt.startsWith('GILL, 3 captions, example example-1')")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    tab.keyboard.press("End")
    until(tab, "document.activeElement.closest('.example')?.querySelector('h2').textContent === 'example-3'")
    tab.keyboard.press("Home")
    until(tab, "document.activeElement.closest('.example')?.querySelector('h2').textContent === 'example-0'")
    tab.keyboard.press("Enter")
    until(tab, OPEN)
    assert tab.evaluate("document.activeElement.textContent") == "Close"
