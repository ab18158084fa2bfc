"""The first page of a report in a real browser: its first screen, charts, tables, keyboard, widths, print, axe-core."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gill_bench.cards.find import Cards
from gill_bench.reporting.page import write_page
from gill_bench.reporting.structure import Table
from gill_bench.reporting.table import build_table
from gill_bench.rundir.rows import Results
from tests.reporting.page.content import CONTEXT, METRIC, content, gallery
from tests.reporting.page.in_browser import show
from tests.support.axe import serious_violations
from tests.support.made_up import around, layout, seeds, table, usual_rows

LOOKS = [
    (1280, "light"),
    (400, "dark"),
    pytest.param(1280, "dark", marks=pytest.mark.slow),
    pytest.param(400, "light", marks=pytest.mark.slow),
]


def narrow(name: str) -> Table:
    """A table of one column, under a name of its own."""
    whole = table(usual_rows(), intervals=around)
    lines = tuple(replace(line, cells=line.cells[:1]) for line in whole.lines)
    return replace(whole, name=name, title=name.title(), columns=whole.columns[:1], lines=lines)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with a wide table, two narrow ones, and a gallery of 30 examples; not to be changed."""
    folder = tmp_path_factory.mktemp("index")
    other = [replace(row, task="visdial") for row in seeds("gill", CONTEXT, METRIC, [0.5, 0.52])]
    card = layout().model_copy(
        update={"columns": tuple(column.model_copy(update={"task": "visdial"}) for column in layout().columns[:1])}
    )
    visdial = replace(build_table(card, Results(tuple(other), (), ()), Cards(), intervals=around), name="dialogs")
    wide = table(usual_rows(), Cards().published(), ("A note of the run.",), around)
    tables = [wide, narrow("left"), narrow("right"), visdial]
    means = {f"example-{number}": number / 10 for number in range(30)}
    whole = replace(content(folder, gallery(folder, 30)), tables=tables, to_paste=tables, values=lambda *_: means)
    return write_page(folder / "page", whole)


def bottom(tab: Any, selector: str) -> float:
    box = tab.locator(selector).first.bounding_box()
    return float(box["y"] + box["height"])


def test_the_first_screen_has_the_sentence_a_chart_and_pictures(tab: Any, page: Path) -> None:
    show(tab, page.parent, "index.html")
    assert (
        tab.locator(".lead")
        .inner_text()
        .startswith("SD has the best CLIP similarity with 1 caption, 0.591, but no significant lead over GILL")
    )
    for selector in (".warning", ".lead", ".panel .lanes", ".sample .frames"):
        assert bottom(tab, selector) <= 800, selector
    assert tab.locator(".strip .hint").inner_text() == (
        "The lowest, median and highest CLIP similarity of SD with 1 caption (30 examples)."
    )
    headers = tab.locator(".sample header").all_inner_texts()
    assert headers == ["lowest example-0", "median example-14", "highest example-29"]
    assert tab.locator(".sample img").evaluate_all("(all) => all.every((img) => img.naturalWidth && img.alt)")


def test_a_chart_is_read_aloud_and_leads_to_the_samples(tab: Any, page: Path) -> None:
    show(tab, page.parent, "index.html")
    lanes = tab.locator(".found .panel").first.locator(".lanes svg[role=img]")
    assert lanes.evaluate_all("(all) => all.map((svg) => svg.ariaLabel ?? svg.getAttribute('aria-label'))") == [
        "CLIP similarity. 1 caption: SD 0.591 [0.5895, 0.5925]; GILL 0.580 [0.5785, 0.5815]",
        "CLIP similarity. 5 captions and 4 images: GILL 0.641 [0.6400, 0.6430]",
    ]
    assert lanes.first.locator(".whisker").count() == 2
    tab.get_by_role("link", name="1 caption").first.click()
    tab.wait_for_url("**/gallery-vist.html#context=1-caption*")


def test_an_example_leads_to_itself_in_the_gallery(tab: Any, page: Path) -> None:
    show(tab, page.parent, "index.html")
    address = tab.get_by_role("link", name="example-14").get_attribute("href")
    assert address.startswith("gallery-vist.html#context=1-caption&metric=clip-similarity&a=stable-diffusion")
    assert address.endswith("&example=example-14")


def test_narrow_tables_stand_side_by_side_in_the_middle_and_most_notes_are_folded(tab: Any, page: Path) -> None:
    show(tab, page.parent, "index.html")
    names = ("small", "left", "right", "dialogs")
    first, second, third, fourth = (tab.locator(f"#t-{name}").bounding_box() for name in names)
    assert first["y"] == second["y"] < third["y"] == fourth["y"]
    for left, right in ((first, second), (third, fourth)):
        assert abs(left["x"] + right["x"] + right["width"] - 1280) < 2
    notes = tab.locator("#t-small .notes > p").all_inner_texts()
    assert len(notes) == 4  # the legend and three notes
    assert any("Examples scored per seed" in note for note in notes)
    assert not tab.locator("#t-small .fold p").first.is_visible()
    tab.locator("#t-small summary").first.click()
    assert tab.locator("#t-small .fold p").first.is_visible()


def test_other_tasks_have_their_sentence_and_chart(tab: Any, page: Path) -> None:
    show(tab, page.parent, "index.html")
    [task] = tab.locator(".task").all()
    assert task.locator("h3").inner_text() == "visdial"
    assert task.locator(".claim").inner_text().startswith("GILL has 0.510 in CLIP similarity with 1 caption (")
    assert task.locator(".panel").count() == 1


def test_a_wide_table_on_a_phone_keeps_its_first_column_and_hints_at_the_others(browser: Any, page: Path) -> None:
    tab = browser.new_page(viewport={"width": 400, "height": 800})
    show(tab, page.parent, "index.html")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    region, hint = tab.locator("#t-small .scroll"), tab.locator("#t-small .swipe")
    hint.wait_for(state="visible")
    assert not tab.locator("#t-left .swipe").is_visible()
    first = tab.locator("#t-small tbody .model").first
    before = first.bounding_box()["x"]
    region.focus()
    region.evaluate("(element) => { element.scrollLeft = 150; }")
    hint.wait_for(state="hidden")
    assert first.bounding_box()["x"] == before
    assert tab.locator("#t-left .scroll").get_attribute("tabindex") == "-1"
    assert region.get_attribute("tabindex") == "0"
    tab.close()


def test_the_keyboard_reaches_everything_and_comes_back_from_the_details(tab: Any, page: Path) -> None:
    show(tab, page.parent, "index.html")
    visited = []
    for _ in range(60):
        tab.keyboard.press("Tab")
        visited.append(tab.evaluate("document.activeElement.textContent.trim()"))
        if tab.evaluate("document.activeElement.matches('td .number')"):
            break
    else:
        raise AssertionError(visited)
    for name in ("Skip to the content", "Tables", "1 caption", "example-0", "Open the gallery"):
        assert name in visited, name
    tab.keyboard.press("Enter")
    assert tab.locator("#behind").is_visible()
    tab.keyboard.press("Escape")
    assert not tab.locator("#behind").is_visible()
    assert tab.evaluate("document.activeElement.textContent.trim()") == visited[-1]


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
def test_axe_finds_nothing_serious(browser: Any, page: Path, width: int, scheme: str) -> None:
    tab = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    show(tab, page.parent, "index.html")
    tab.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    assert serious_violations(tab) == []
    tab.locator("td .number").first.click()
    assert serious_violations(tab) == []
    tab.close()


def test_axe_would_see_a_picture_without_words(browser: Any, page: Path) -> None:
    tab = browser.new_page()
    show(tab, page.parent, "index.html")
    tab.evaluate("document.querySelector('.sample img').removeAttribute('alt')")
    [violation] = serious_violations(tab)
    assert violation.startswith("image-alt: ")
    tab.close()


@pytest.fixture
def printed(browser: Any, page: Path) -> Iterator[Any]:
    """The index as it is printed on A4."""
    tab = browser.new_page(viewport={"width": 718, "height": 1000})
    show(tab, page.parent, "index.html")
    tab.emulate_media(media="print")
    yield tab
    tab.close()


def test_paper_has_the_chart_the_pictures_and_the_notes_and_no_controls(printed: Any) -> None:
    assert printed.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for selector in (".lead", ".panel svg", ".sample img", "table.results", ".notes p"):
        assert printed.locator(selector).first.is_visible(), selector
    for selector in (".masthead nav", ".go", "details.copy", "#behind", ".swipe"):
        assert not printed.locator(selector).first.is_visible(), selector
    assert printed.pdf(format="A4").startswith(b"%PDF")


def test_the_first_page_does_not_grow_with_the_examples(tmp_path: Path) -> None:
    """What a browser reads before it shows the first page depends on the tables, however many examples there are."""
    few = write_page(tmp_path / "few", content(tmp_path, gallery(tmp_path, 3)))
    many = write_page(tmp_path / "many", content(tmp_path, gallery(tmp_path, 60)))
    assert many.stat().st_size < few.stat().st_size + 1000
    assert few.stat().st_size < 100_000
